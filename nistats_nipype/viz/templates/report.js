// Sort a table by the column whose heading is pressed. Empty cells stay last.
function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}
for (const button of document.querySelectorAll('thead button')) {
  button.addEventListener('click', () => {
    const heading = button.parentElement;
    const body = heading.closest('table').tBodies[0];
    const sign = heading.ariaSort === 'ascending' ? -1 : 1;
    for (const other of heading.parentElement.cells) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
    const value = (row) => row.cells[heading.cellIndex].dataset.value;
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return x === '' || y === '' ? (x === '') - (y === '') : sign * compare(x, y);
    });
    body.append(...rows);
  });
}

// A viewer is put together when it comes near, so that the page opens quickly.
const { parts, pages } = JSON.parse(document.getElementById('viewers').textContent);
function fill(frame) {
  if (!frame.srcdoc) frame.srcdoc = pages[frame.dataset.viewer].map((part) => parts[part]).join('');
}
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      fill(entry.target);
      watcher.unobserve(entry.target);
    }
  },
  { rootMargin: '600px' },
);
for (const frame of document.querySelectorAll('iframe')) watcher.observe(frame);
for (const button of document.querySelectorAll('button.point')) {
  button.addEventListener('click', () => {
    const frame = document.querySelector(`iframe[data-viewer="${button.dataset.viewer}"]`);
    // Read by the viewer if it is still to start.
    frame.dataset.point = button.dataset.point;
    fill(frame);
    frame.contentWindow.showPoint?.(JSON.parse(button.dataset.point));
    frame.scrollIntoView({ block: 'center' });
  });
}

// On paper, nothing can be opened.
window.addEventListener('beforeprint', () => {
  for (const details of document.querySelectorAll('details')) details.open = true;
});

// The scheme of the system, until the other one is asked for.
const scheme = document.getElementById('scheme');
const system = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (document.documentElement.dataset.scheme ?? (system.matches ? 'dark' : 'light')) === 'dark';
function nameScheme() {
  scheme.textContent = isDark() ? 'Light colours' : 'Dark colours';
}
scheme.hidden = false;
scheme.addEventListener('click', () => {
  document.documentElement.dataset.scheme = isDark() ? 'light' : 'dark';
  nameScheme();
});
system.addEventListener('change', nameScheme);
nameScheme();

// Without a clipboard (an old browser, a sandbox) the text can still be selected.
const copy = document.getElementById('copy');
if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById('methods-text').innerText);
    copy.textContent = 'Copied';
  });
}

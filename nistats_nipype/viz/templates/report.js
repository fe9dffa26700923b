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
// Without a clipboard (an old browser, a sandbox) the text can still be selected.
const copy = document.getElementById('copy');
if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById('methods-text').innerText);
    copy.textContent = 'Copied';
  });
}

// Wraps brainsprite, the script of nilearn's viewer, which stands above; nilearn's call of it
// stands below.
const drawBrain = brainsprite;
// Values are read back from single pixels, for which browsers have another kind of canvas.
const { getContext } = HTMLCanvasElement.prototype;
HTMLCanvasElement.prototype.getContext = function (kind) {
  return getContext.call(this, kind, { willReadFrequently: true });
};
brainsprite = function (options) {
  const axes = ['X', 'Y', 'Z'];
  // brainsprite counts voxels from 1 in the affine, from 0 elsewhere.
  const step = axes.map((_, i) => options.affine[i][i]);
  if (words.unshifted) axes.forEach((_, i) => { options.affine[i][3] -= step[i]; });
  const start = axes.map((_, i) => options.affine[i][3] + step[i]);

  const place = document.createElement('div');
  place.className = 'place';
  const inputs = axes.map((axis, i) => {
    const name = document.createElement('label');
    const input = document.createElement('input');
    const last = start[i] + step[i] * (options.nbSlice[axis] - 1);
    Object.assign(input, { type: 'number', step: step[i], min: start[i], max: last });
    name.append(`${axis.toLowerCase()} (mm) `, input);
    place.append(name);
    return input;
  });
  const value = document.createElement('output');
  place.append(value);

  const canvas = document.getElementById(options.canvas);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `${words.title}: slices through the point chosen below`);
  canvas.parentElement.insertBefore(place, canvas.nextSibling);
  for (const slider of document.querySelectorAll('input[type="range"]')) {
    slider.setAttribute('aria-label', 'Opacity of the map, in percent');
  }

  function tell() {
    axes.forEach((axis, i) => {
      inputs[i].value = Math.round(100 * (start[i] + step[i] * brain.numSlice[axis])) / 100;
    });
    // The value is read back from one of 256 colours.
    value.textContent = Number.isNaN(brain.voxelValue)
      ? 'nothing above the threshold here'
      : `${words.label} ≈ ${brain.voxelValue.toFixed(1).replace('-', '−')}`;
    if (frameElement) frameElement.style.height = `${document.documentElement.offsetHeight}px`;
  }
  const brain = drawBrain({
    ...options,
    flagValue: false,
    nbDecimals: 1,
    sizeFont: 0.055,
    colorFont: '#1c2430',
    colorCrosshair: '#1c2430',
    onclick: tell,
  });

  // Also called by the report.
  window.showPoint = (point) => {
    axes.forEach((axis, i) => {
      const index = Math.round((point[i] - start[i]) / step[i]);
      brain.numSlice[axis] = Math.min(Math.max(index, 0), options.nbSlice[axis] - 1);
    });
    brain.init();
    brain.drawAll();
    tell();
  };
  for (const input of inputs) {
    input.addEventListener('change', () => window.showPoint(inputs.map((each) => Number(each.value))));
  }
  window.addEventListener('resize', tell);
  const asked = frameElement && frameElement.dataset.point;
  window.showPoint(asked ? JSON.parse(asked) : words.point);
  return brain;
};

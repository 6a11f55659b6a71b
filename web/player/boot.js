// Stands in the page itself, before everything else. While two versions of the server run side by side, a node may be
// asked for a file that only the other one has, and the page would stay empty. So it is loaded again: what came before
// is in the browser's cache for ever, so each try lacks fewer files.
(() => {
  const key = 'shake.boot';
  const most = 12; // half of the files missing each time is over after five or so
  const pauseMS = 300;
  const longestMS = 2000;
  let going = false;

  const again = () => {
    if (going) return;
    going = true;
    let tries = most;
    try {
      tries = Number(sessionStorage.getItem(key)) || 0;
      sessionStorage.setItem(key, tries < most ? tries + 1 : 0);
    } catch {
      // nothing to count with: leave it to who looks at the page
    }
    if (tries >= most) return give();
    const reload = () => setTimeout(() => location.reload(), Math.min(longestMS, pauseMS * 2 ** tries) * (0.5 + Math.random()));
    if (navigator.onLine) reload();
    else addEventListener('online', reload, { once: true });
  };
  const give = () => {
    const words = document.getElementById('stuck');
    if (words) words.hidden = false;
    else document.addEventListener('DOMContentLoaded', give);
  };

  addEventListener('stale', again);
  addEventListener('error', ({ target }) => (target?.tagName === 'SCRIPT' || target?.rel === 'stylesheet') && again(), true); // those of elements don't bubble
})();

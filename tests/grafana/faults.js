// Looks over a dashboard as it lies on the screen, and returns a line for each thing that is wrong.
() => {
  const wrong = [];
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) {
    wrong.push(`the page scrolls sideways: ${root.scrollWidth} in ${root.clientWidth} pixels`);
  }
  const panels = [...document.querySelectorAll('[data-testid^="data-testid Panel header"]')];
  const name = (panel) => panel.dataset.testid.replace('data-testid Panel header ', '');
  const boxes = panels.map((panel) => ({ name: name(panel), box: panel.getBoundingClientRect() }));
  for (const [i, one] of boxes.entries()) {
    if (one.box.right > root.clientWidth + 1) { wrong.push(`${one.name}: sticks out to the right`); }
    for (const other of boxes.slice(i + 1)) {
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (across > 1 && down > 1) { wrong.push(`${one.name} overlaps ${other.name}`); }
    }
  }
  const shown = (element) => {
    const style = getComputedStyle(element);
    return style.visibility !== 'hidden' && style.display !== 'none' && element.clientWidth > 0;
  };
  const hides = (element) => ['hidden', 'clip'].includes(getComputedStyle(element).overflowX);
  const words = function* (panel) {
    const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      if (walker.currentNode.textContent.trim() && shown(walker.currentNode.parentElement)) { yield walker.currentNode; }
    }
  };
  const text = (element) => element.innerText.trim().replace(/\s+/g, ' ').slice(0, 60);
  for (const panel of panels) {
    if (panel.querySelector('[data-testid="data-testid Panel status error"]')) {
      wrong.push(`${name(panel)}: has an error badge`);
    }
    // A word that a box hides the end of: titles, headings, numbers, legends, cells.
    for (const element of panel.querySelectorAll('h2, h6, [role="columnheader"] *, [role="cell"], [role="gridcell"], span, a, button, div')) {
      const words = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
      if (words && shown(element) && hides(element) && element.scrollWidth > element.clientWidth + 1) {
        wrong.push(`${name(panel)}: "${text(element)}" is cut: ${element.scrollWidth} in ${element.clientWidth} pixels`);
      }
    }
    // Words that a box hides above or below: they took more lines than there is room for.
    for (const text of words(panel)) {
      const range = document.createRange();
      range.selectNodeContents(text);
      const at = range.getBoundingClientRect();
      for (let box = text.parentElement; box && at.height && panel.contains(box); box = box.parentElement) {
        const over = getComputedStyle(box).overflowY;
        if (over === 'auto' || over === 'scroll') { break; }
        const edge = box.getBoundingClientRect();
        const outside = Math.max(edge.top - at.top, at.bottom - edge.bottom) > at.height / 3;
        // What is hidden on purpose has a box of a pixel.
        if (edge.height < 3) { break; }
        if (over !== 'visible' && outside) {
          wrong.push(`${name(panel)}: "${text.textContent.trim().slice(0, 60)}" is cut in height`);
          break;
        }
      }
    }
    // What a panel's own box cuts off: its content is higher or wider than the panel.
    const outer = panel.getBoundingClientRect();
    for (const element of panel.querySelectorAll('a, span, h2, h6')) {
      const box = element.getBoundingClientRect();
      if (shown(element) && text(element) && !element.closest('[role="table"], [role="grid"], [class*="scroll"], pre, ul')
          && (box.right > outer.right + 2 || box.bottom > outer.bottom + 2)) {
        wrong.push(`${name(panel)}: "${text(element)}" lies outside`);
      }
    }
  }
  return [...new Set(wrong)];
}

// Looks at a page in frames of two widths, and writes what is wrong with it into this document, a line each.
'use strict';

// The least contrast of text, by WCAG 2 AA: large text may have less.
const LEAST = 4.5;
const LEAST_LARGE = 3;

function rgba(text) {
  const parts = text.match(/[\d.]+/g);
  return parts ? [+parts[0], +parts[1], +parts[2], parts[3] === undefined ? 1 : +parts[3]] : [0, 0, 0, 0];
}

function over(front, back) {
  const mix = (at) => front[at] * front[3] + back[at] * (1 - front[3]);
  return [mix(0), mix(1), mix(2), 1];
}

function luminance(colour) {
  const linear = colour.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

// What is behind an element, with everything that shines through.
function background(element, view) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(view.getComputedStyle(at).backgroundColor);
    if (colour[3] > 0) layers.push(colour);
    if (colour[3] === 1) break;
  }
  return layers.reverse().reduce((back, front) => over(front, back), [255, 255, 255, 1]);
}

function nameOf(element, page) {
  const by = element.getAttribute('aria-labelledby');
  const from = by ? by.split(/\s+/).map((id) => page.getElementById(id)?.textContent ?? '').join(' ') : '';
  return (element.getAttribute('aria-label') || from || element.textContent || element.getAttribute('title') || '').trim();
}

function shown(element) {
  return (element.outerHTML || '').replace(/\s+/g, ' ').slice(0, 120);
}

function look(frame, say) {
  const page = frame.contentDocument;
  const view = frame.contentWindow;
  page.querySelectorAll('details').forEach((details) => { details.open = true; });

  if (!page.documentElement.lang) say('the page has no language');
  if (!page.title) say('the page has no title');
  if (page.querySelectorAll('h1').length !== 1) say('the page has not one first heading');
  const wide = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  if (wide > 0) {
    const reaches = (element) => element.getBoundingClientRect().right > page.documentElement.clientWidth + 0.5;
    const beyond = [...page.body.querySelectorAll('*')].filter((element) => reaches(element) && !element.closest('.scroll'));
    say(`the page is ${wide} pixels wider than its window: ${shown(beyond.at(-1) ?? page.body)}`);
  }

  const charts = [...page.querySelectorAll('figure.chart')];
  if (charts.length === 0) say('the page holds no chart');
  for (const chart of charts) {
    const title = chart.querySelector('figcaption')?.textContent ?? '';
    const marks = [...chart.querySelectorAll('svg path, svg circle, svg rect, svg line:not(.grid):not(.axis)')];
    const drawn = marks.filter((mark) => {
      const box = mark.getBoundingClientRect();
      return box.width + box.height > 0.5;
    });
    if (drawn.length === 0) say(`the chart "${title}" is empty`);
    const data = decodeURIComponent(chart.querySelector('a[download]')?.getAttribute('href') ?? '');
    if (data.trim().split('\n').length < 2) say(`the data of the chart "${title}" has no row`);
  }

  const named = 'a, button, summary, section, svg, img, [role], [tabindex], table caption, th';
  for (const element of page.querySelectorAll(named)) {
    if (element.getAttribute('aria-hidden') === 'true') continue;
    const isEmptyHead = element.tagName === 'TH' && !element.textContent.trim();
    const isScrolled = element.tagName === 'PRE';
    if (!nameOf(element, page) && !isEmptyHead && !isScrolled) say(`no accessible name: ${shown(element)}`);
    if (element.tagName === 'TH' && !element.getAttribute('scope')) say(`a head of a table without a scope: ${shown(element)}`);
  }
  for (const table of page.querySelectorAll('table')) {
    const region = table.closest('[role=region][aria-label]');
    if (!region && !table.caption && !table.getAttribute('aria-label')) say(`a table without a name: ${shown(table)}`);
  }
  const ids = [...page.querySelectorAll('[id]')].map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => say(`two elements have the id ${id}`));
  for (const element of page.querySelectorAll('[aria-labelledby]')) {
    const missing = element.getAttribute('aria-labelledby').split(/\s+/).filter((id) => !page.getElementById(id));
    if (missing.length > 0) say(`aria-labelledby names ${missing}, which is not there`);
  }
  for (const link of page.querySelectorAll('a[href^="#"]')) {
    if (!page.getElementById(decodeURIComponent(link.getAttribute('href').slice(1)))) say(`a link to nowhere: ${shown(link)}`);
  }

  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || ['STYLE', 'TITLE', 'DESC', 'title', 'desc'].includes(element.tagName)) continue;
    // The numbers of a heat map stand on a cell of the drawing; a unit test has their contrast.
    if (element.getClientRects().length === 0 || element.classList.contains('cell')) continue;
    const style = view.getComputedStyle(element);
    const isDrawn = element.namespaceURI.endsWith('svg');
    const back = background(isDrawn ? element.ownerSVGElement.parentElement : element, view);
    const found = contrast(over(rgba(isDrawn ? style.fill : style.color), back), back);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight, 10) >= 700);
    texts += 1;
    if (found < (isLarge ? LEAST_LARGE : LEAST)) say(`contrast ${found.toFixed(2)}: ${shown(element)}`);
  }
  if (texts === 0) say('the page has no text');
  return `${charts.length} charts, ${texts} texts`;
}

addEventListener('load', () => {
  const result = document.getElementById('result');
  const line = (text) => { result.textContent += `${text}\n`; };
  for (const frame of document.querySelectorAll('iframe')) {
    const theme = frame.contentWindow.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    const said = new Set();
    const say = (fault) => {
      if (!said.has(fault)) line(`FAULT ${theme}, ${frame.width} wide: ${fault}`);
      said.add(fault);
    };
    try {
      line(`LOOKED ${theme}, ${frame.width} wide: ${look(frame, say)}`);
    } catch (error) {
      say(`it cannot be looked at: ${error}`);
    }
  }
});

// Runs the sign-in page's own script: node sign_in_page.mjs PAGE URL HASH. What a browser brings along (elements
// with an id, cookies) is as little as the script needs; what it asks podd is real. Each line of stdin is the id
// of a form to submit, with its fields as JSON; after each, a line tells what the page shows.
import {readFileSync} from "node:fs";
import {createInterface} from "node:readline";

const [page, url, hash] = process.argv.slice(2);
const html = readFileSync(page, "utf8");
const elements = {};
for (const [, attributes, id] of html.matchAll(/<(?:p|form|section|strong|pre|button)([^>]*?) ?id="(\w+)"[^>]*>/g))
  elements[id] = {
    hidden: new RegExp(`id="${id}"[^>]* hidden`).test(html), textContent: "", does: {},
    addEventListener(kind, does) { this.does[kind] = does; },
    querySelector() { return {}; },
  };
let cookie = "";
globalThis.document = {getElementById: (id) => elements[id]};
globalThis.location = {hash, pathname: "/sign-in", origin: url, reload() {}};
globalThis.history = {replaceState() { globalThis.location.hash = ""; }};
globalThis.FormData = class { constructor(form) { return Object.entries(form.given); } };
const really = globalThis.fetch;
globalThis.fetch = async (path, how) => {
  const answer = await really(url + path, {...how, headers: {...how.headers, cookie}});
  const set = answer.headers.getSetCookie();
  if (set.length) cookie = set[0].split(";")[0];
  return answer;
};
(0, eval)(html.match(/<script>(.*?)<\/script>/s)[1].replace('"use strict";', ""));
const told = () => console.log(JSON.stringify({
  hash: globalThis.location.hash,
  shown: Object.keys(elements).filter((id) => !elements[id].hidden),
  who: elements.who.textContent, made: elements.made.textContent, said: elements.said.textContent,
}));
for await (const line of createInterface({input: process.stdin})) {
  const [id, given] = JSON.parse(line);
  const form = elements[id];
  await form.does.submit({preventDefault() {}, target: {given, querySelector: () => ({})}});
  told();
}

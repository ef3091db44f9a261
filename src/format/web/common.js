/* Shared by all pages. Names come from the target: they are only ever set as text, never as markup. */

function el(tag, className, text) {
	const e = document.createElement(tag);
	if (className)
		e.className = className;
	if (text !== undefined && text !== null)
		e.textContent = text;
	return e;
}

function add(parent, ...children) {
	for (const c of children)
		parent.append(c);
	return parent;
}

function size(n) {
	if (n === null || n === undefined)
		return "unknown";
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	let v = Math.abs(n), u = 0;
	while (v >= 1023.5 && u + 1 < units.length) {
		v /= 1024;
		u++;
	}
	return (n < 0 ? "\u2212" : "") + v.toFixed(!u || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2) + "\u00a0" + units[u];
}

function percent(part, whole) {
	if (!(whole > 0) || !part)
		return "";
	const p = 100 * part / whole;
	return p > 0 && p < .05 ? "<0.1%" : p.toFixed(1) + "%";
}

function count(n) {
	return n === null || n === undefined ? "unknown" : n.toLocaleString("en-US");
}

/* What a terminal would be spared: control characters, and those that reorder text, become visible. */
function clean(s) {
	if (s === null || s === undefined)
		return "?";
	return s.replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
		(c) => "\\u{" + c.charCodeAt(0).toString(16) + "}");
}

function rgb(hex) {
	const v = parseInt(hex.slice(1), 16);
	return [v >> 16 & 255, v >> 8 & 255, v & 255];
}

function mix(a, b, t) {
	return a.map((v, i) => Math.round(v + (b[i] - v) * t));
}

function css(c) {
	return "rgb(" + c.join(",") + ")";
}

function luminance(c) {
	const lin = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
	return .2126 * lin[0] + .7152 * lin[1] + .0722 * lin[2];
}

/* Whether white reads well on the colour. */
function isDark(c) {
	return luminance(c) < .179;
}

function ink(c) {
	return isDark(c) ? "#ffffff" : "#000000";
}

/* The palest colours get more of their hue: they must not look like empty paper. */
function vivid(c) {
	const top = Math.max(...c);
	return luminance(c) > .7 ? c.map((v) => Math.round(top - (top - v) * 1.9)) : c;
}

/* Dark when the reader's system is, but never on paper. */
const theme = {
	query: matchMedia("(prefers-color-scheme: dark)"),
	printing: false,
	redraw: [],
	get dark() {
		return this.query.matches && !this.printing;
	},
	/* fn() is called when colours change. */
	onChange(fn) {
		this.redraw.push(fn);
	},
	set(printing) {
		this.printing = printing;
		this.redraw.forEach((fn) => fn());
	},
};
theme.query.addEventListener("change", () => theme.set(false));
addEventListener("beforeprint", () => theme.set(true));
addEventListener("afterprint", () => theme.set(false));

const tip = {
	box: document.getElementById("tip"),
	/* lines: a title, then texts or [colour or null, name, value] */
	show(lines, x, y) {
		this.box.replaceChildren(el("b", "", lines[0]));
		for (const line of lines.slice(1)) {
			if (!Array.isArray(line)) {
				this.box.append(el("div", "", line));
				continue;
			}
			const name = el("span"), mark = el("i");
			if (line[0]) {
				mark.style.background = line[0];
				name.append(mark);
			}
			name.append(line[1]);
			this.box.append(add(el("div", "row"), name, el("span", "", line[2])));
		}
		this.box.hidden = false;
		const w = this.box.offsetWidth, h = this.box.offsetHeight;
		this.box.style.left = Math.max(4, Math.min(x + 14, innerWidth - w - 6)) + "px";
		this.box.style.top = (y + 18 + h > innerHeight ? Math.max(4, y - h - 12) : y + 18) + "px";
	},
	hide() {
		this.box.hidden = true;
	},
	/* lines() is asked when needed. */
	on(e, lines) {
		e.addEventListener("mousemove", (ev) => {
			ev.stopPropagation();
			this.show(lines(ev), ev.clientX, ev.clientY);
		});
		e.addEventListener("mouseleave", () => this.hide());
		e.addEventListener("focus", () => {
			if (!e.matches(":focus-visible"))
				return;
			const r = e.getBoundingClientRect();
			this.show(lines(null), r.left, Math.min(r.bottom, innerHeight - 60));
		});
		e.addEventListener("blur", () => this.hide());
	},
};
addEventListener("scroll", () => tip.hide(), { passive: true });

const data = JSON.parse(document.getElementById("data").textContent);
const classes = (data.class_table ?? []).map((c) => ({ name: c.name, about: c.about, color: vivid(rgb(c.color)) }));

/* A tree of { name, value, cls, parent, children }: `value` more for the nodes of `path` below `root`, made if new. */
function grow(root, path, cls, value) {
	let node = root;
	for (let n = root; n; n = n.parent)
		n.value += value;
	for (const name of path) {
		node.byName ??= new Map();
		let child = node.byName.get(name);
		if (!child) {
			child = { name, value: 0, cls, parent: node, children: [] };
			node.byName.set(name, child);
			node.children.push(child);
		}
		child.value += value;
		node = child;
	}
	return node;
}

/* Largest first. A group of one is no group. */
function settle(node) {
	node.children = node.children.map((c) => {
		const only = c.group && c.children.length === 1 ? c.children[0] : c;
		only.parent = node;
		return only;
	});
	node.children.sort((a, b) => b.value - a.value);
	node.children.forEach(settle);
	delete node.byName;
}

/* "github.com/docker/libnetwork" of a package of that module, as far as a path tells; null where it does not. */
function moduleOf(name) {
	const parts = name.split("/");
	if (parts.length < 2 || !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(parts[0]))
		return null;
	const deep = /^(github|gitlab|bitbucket)\.|^golang\.org$/.test(parts[0]) ? 3 : 2;
	return parts.slice(0, deep).join("/");
}

/* An owner under the node of its class: module and package, or package and function. */
function growOwner(node, cls, pkg, rest, value, wholeNames) {
	const name = clean(rest);
	if (pkg !== null)
		return grow(node, [clean(pkg), wholeNames ? clean(pkg) + "." + name : name], cls, value);
	const group = moduleOf(name);
	if (!group)
		return grow(node, [name], cls, value);
	const leaf = grow(node, [group + "/\u2026", name], cls, value);
	leaf.parent.group = true;
	return leaf;
}

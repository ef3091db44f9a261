/* Flame graph, root on top: process, levels of the class, package, function. */

const flame = (() => {
	const ROW = 22, LEAST = 1.2;
	const box = document.getElementById("flame"), find = document.getElementById("find");
	const reset = document.getElementById("reset"), found = document.getElementById("found");
	const root = { name: clean(data.comm), value: 0, cls: -1, children: [], parent: null };
	let at = root;

	for (const [cls, pkg, rest, bytes] of data.stacks) {
		const parts = classes[cls].name.split("."), path = parts.map((_, i) => parts.slice(0, i + 1).join("."));
		const node = grow(root, path, cls, rest === null ? bytes : 0);
		if (rest !== null)
			growOwner(node, cls, pkg, rest, bytes, true);
	}
	settle(root);

	function color(node, depth) {
		if (node.cls < 0)
			return theme.dark ? [62, 69, 75] : [205, 210, 214];
		const own = node.children.some((c) => c.cls !== node.cls);
		const base = own ? mix(classes[node.cls].color, [128, 128, 128], .35) : classes[node.cls].color;
		return mix(base, isDark(base) ? [0, 0, 0] : [255, 255, 255], (depth % 2) * .1);
	}

	function lines(node) {
		const out = [node.name, `${size(node.value)} ${data.value}, ${percent(node.value, root.value)} of all`];
		if (node.parent && node.parent !== root)
			out.push(`${percent(node.value, node.parent.value)} of ${node.parent.name}`);
		const c = classes.find((k) => k.name === node.name);
		if (c)
			out.push(c.about);
		return out;
	}

	function hits(node, text) {
		return node.name.toLowerCase().includes(text);
	}

	function place(node, depth, left, width, text) {
		if (width < LEAST)
			return depth;
		const e = el("div", "frame", width > 24 ? node.name : ""), c = color(node, depth);
		e.style.left = 100 * left / box.clientWidth + "%";
		e.style.top = depth * ROW + "px";
		e.style.width = 100 * Math.max(1, width - 1) / box.clientWidth + "%";
		e.style.background = css(c);
		e.style.color = ink(c);
		e.classList.toggle("thin", width <= 24);
		e.classList.toggle("miss", text !== "" && !hits(node, text));
		e.tabIndex = depth ? -1 : 0;
		e.setAttribute("role", "treeitem");
		e.setAttribute("aria-level", depth + 1);
		e.setAttribute("aria-label", lines(node).slice(0, 2).join(", "));
		e.node = node;
		node.frame = e;
		box.append(e);
		let deepest = depth, x = left;
		for (const child of node.children) {
			const w = width * child.value / node.value;
			deepest = Math.max(deepest, place(child, depth + 1, x, w, text));
			x += w;
		}
		return deepest;
	}

	function forget(node) {
		node.frame = null;
		node.children.forEach(forget);
	}

	/* The way to the zoomed frame stays above it, at full width. */
	function render(focus) {
		const text = find.value.trim().toLowerCase(), width = box.clientWidth, above = [];
		for (let n = at.parent; n; n = n.parent)
			above.unshift(n);
		forget(root);
		box.replaceChildren();
		let depth = 0;
		for (const n of above) {
			const children = n.children;
			n.children = [];
			place(n, depth++, 0, width, text);
			n.children = children;
		}
		const deepest = place(at, depth, 0, width, text);
		box.style.height = (deepest + 1) * ROW + "px";
		reset.hidden = at === root;
		tally(text);
		if (focus && at.frame)
			at.frame.focus();
	}

	function tally(text) {
		const sum = (n) => hits(n, text) ? n.value : n.children.reduce((s, c) => s + sum(c), 0);
		found.textContent = text ? `${size(sum(root))}, ${percent(sum(root), root.value)}` : "";
	}

	function zoom(node, focus) {
		at = node;
		tip.hide();
		render(focus);
	}

	function key(ev) {
		const node = ev.target.node;
		if (!node)
			return;
		const row = (node.parent?.children ?? [node]).filter((n) => n.frame), i = row.indexOf(node);
		const to = {
			ArrowRight: row[i + 1],
			ArrowLeft: row[i - 1],
			ArrowDown: node.children.find((c) => c.frame),
			ArrowUp: node.parent,
		}[ev.key];
		if (to?.frame) {
			ev.preventDefault();
			ev.target.tabIndex = -1;
			to.frame.tabIndex = 0;
			to.frame.focus();
		} else if (ev.key === "Enter") {
			zoom(node, true);
		} else if (ev.key === "Escape" && at.parent) {
			zoom(at.parent, true);
		}
	}

	function start() {
		document.title = `ullage map: ${clean(data.comm)} (${data.pid})`;
		const h1 = el("h1", "", clean(data.comm));
		h1.append(el("small", "", `pid ${data.pid}`));
		add(document.getElementById("head"), h1,
			el("p", "", `${size(root.value)} ${data.value} \u00b7 ${data.time.replace("T", " ").replace(/\.\d+Z/, " UTC")}`));
		box.addEventListener("click", (ev) => ev.target.node && zoom(ev.target.node));
		box.addEventListener("keydown", key);
		box.addEventListener("mousemove", (ev) => {
			if (ev.target.node)
				tip.show(lines(ev.target.node), ev.clientX, ev.clientY);
			else
				tip.hide();
		});
		box.addEventListener("mouseleave", () => tip.hide());
		box.addEventListener("focusin", (ev) => {
			const r = ev.target.getBoundingClientRect();
			if (ev.target.matches(":focus-visible"))
				tip.show(lines(ev.target.node), r.left, r.bottom - 10);
		});
		box.addEventListener("focusout", () => tip.hide());
		find.addEventListener("input", () => render());
		reset.addEventListener("click", () => zoom(root));
		new ResizeObserver(() => render()).observe(box);
		theme.onChange(() => render());
	}

	return { start };
})();

flame.start();

/* Treemap: class, package, function. Boxes are elements, so that the keyboard and a screen reader reach them. */

const treemap = (() => {
	const HEAD = 17, PAD = 2, LEAST = 4;
	const box = document.querySelector("#treemap .tree"), crumbs = document.querySelector("#treemap .crumbs");
	let root = null, at = null, highlighted = -1;

	function build() {
		root = { name: "all", label: clean(data.comm), value: 0, cls: -1, children: [], parent: null };
		const left = new Map(data.classes.map((c) => [c.class, c.resident_bytes]));
		for (const [cls, pkg, rest, bytes] of data.owner_table) {
			const name = classes[cls].name, part = Math.min(bytes, left.get(name) ?? 0);
			left.set(name, (left.get(name) ?? 0) - part);
			if (part > 0)
				growOwner(grow(root, [name], cls, 0), cls, pkg, rest, part, false);
		}
		for (const [name, bytes] of left) {
			const cls = classes.findIndex((c) => c.name === name);
			const known = root.byName?.has(name);
			if (bytes > 0)
				grow(root, known ? [name, "(not attributed)"] : [name], cls, bytes);
		}
		settle(root);
	}

	/* Rows of boxes as near to squares as they get (Bruls, Huizing, van Wijk). */
	function squarify(nodes, x, y, w, h, place) {
		let total = nodes.reduce((s, n) => s + n.value, 0), i = 0;
		while (i < nodes.length && total > 0 && w > 0 && h > 0) {
			const side = Math.min(w, h), scale = w * h / total;
			let sum = 0, worst = Infinity, j = i;
			for (; j < nodes.length; j++) {
				const next = sum + nodes[j].value, strip = next * scale / side;
				const big = nodes[i].value * scale / strip, small = nodes[j].value * scale / strip;
				const ratio = Math.max(big / strip, strip / Math.max(small, 1e-9), strip / big);
				if (ratio > worst)
					break;
				worst = ratio;
				sum = next;
			}
			const strip = Math.min(sum * scale / side, w >= h ? w : h);
			let offset = 0;
			for (let k = i; k < j; k++) {
				const len = nodes[k].value / sum * side;
				if (w >= h)
					place(nodes[k], x, y + offset, strip, len);
				else
					place(nodes[k], x + offset, y, len, strip);
				offset += len;
			}
			if (w >= h) {
				x += strip;
				w -= strip;
			} else {
				y += strip;
				h -= strip;
			}
			total -= sum;
			i = j;
		}
	}

	/* Neighbours differ a little; shades go away from the colour of the text, so that it stays readable. */
	function shade(node, index, depth) {
		const own = classes[node.cls]?.color ?? [128, 128, 128];
		const base = theme.dark ? mix(own, [18, 21, 23], .12) : own;
		const target = isDark(base) ? [0, 0, 0] : [255, 255, 255];
		return mix(base, target, depth === 0 ? .22 : (index % 6) * .045);
	}

	function lines(node) {
		const c = classes[node.cls], path = [];
		for (let n = node; n.parent; n = n.parent)
			path.unshift(n.name);
		const whole = path.length > 2 && !node.parent.group ? path[1] + "." + path[2] : path[path.length - 1];
		const out = [whole ?? root.label];
		out.push(size(node.value) + ", " + percent(node.value, data.rss_bytes) + " of RSS");
		if (c && node.parent !== root)
			out.push(percent(node.value, classNode(node).value) + " of " + c.name);
		if (c)
			out.push(c.about);
		return out;
	}

	function classNode(node) {
		while (node.parent !== root && node.parent)
			node = node.parent;
		return node;
	}

	function tileOf(node, x, y, w, h, depth, index) {
		const tile = el("div", "tile"), color = shade(node, index, depth);
		/* Shares of the whole, so that paper of another width gets all of it. */
		const sx = 100 / box.clientWidth, sy = 100 / box.clientHeight;
		tile.style.left = x * sx + "%";
		tile.style.top = y * sy + "%";
		tile.style.width = (w - 1) * sx + "%";
		tile.style.height = (h - 1) * sy + "%";
		tile.style.background = css(color);
		tile.style.color = ink(color);
		tile.tabIndex = -1;
		tile.setAttribute("role", "treeitem");
		tile.setAttribute("aria-level", depth + 1);
		tile.node = node;
		node.tile = tile;
		return tile;
	}

	/* Boxes lie beside one another in the document, those of the children after, and so above, their parent's. */
	function draw(node, x, y, w, h, depth, index) {
		if (w < LEAST || h < LEAST)
			return;
		const open = node.children.length > 0 && w > 46 && h > 34;
		const tile = tileOf(node, x, y, w, h, depth, index);
		if (w > 30 && h > 15) {
			const name = w < 130 && node.children.length === 0 ? node.name.replace(/^[^ (]*\/(?=.)/, "") : node.name;
			const label = el("span", w < 76 ? "label narrow" : "label", name);
			if (w > 58 && (open || h > 31))
				label.append(" ", el("em", "", size(node.value)));
			tile.append(label);
		} else {
			tile.setAttribute("aria-label", lines(node).slice(0, 2).join(", "));
		}
		box.append(tile);
		if (!open) {
			tile.classList.add("leaf");
			return;
		}
		let k = 0;
		squarify(node.children, x + PAD, y + HEAD, w - 1 - 2 * PAD, h - 1 - HEAD - PAD,
			(child, cx, cy, cw, ch) => draw(child, cx, cy, cw, ch, depth + 1, k++));
	}

	function forget(node) {
		node.tile = null;
		node.children.forEach(forget);
	}

	function trail() {
		const path = [];
		for (let n = at; n; n = n.parent)
			path.unshift(n);
		crumbs.replaceChildren();
		path.forEach((n, i) => {
			const b = el("button", "", (n.parent ? n.name : "all of " + root.label) + "  " + size(n.value));
			b.disabled = n === at;
			b.addEventListener("click", () => zoom(n));
			if (i)
				crumbs.append("\u203a");
			crumbs.append(b);
		});
	}

	function render(focus) {
		forget(root);
		box.replaceChildren();
		let k = 0;
		const nodes = at.children.length ? at.children : [at];
		squarify(nodes, 0, 0, box.clientWidth, box.clientHeight,
			(n, x, y, w, h) => draw(n, x, y, w, h, at === root ? 0 : 1, k++));
		trail();
		fade();
		const first = box.querySelector(".tile");
		if (first)
			first.tabIndex = 0;
		if (focus && first)
			first.focus();
	}

	function zoom(node, focus) {
		at = node;
		tip.hide();
		render(focus);
	}

	function fade() {
		for (const tile of box.children)
			tile.classList.toggle("faded", highlighted >= 0 && tile.node.cls !== highlighted);
	}

	function move(from, to) {
		if (!to)
			return;
		from.tabIndex = -1;
		to.tabIndex = 0;
		to.focus();
	}

	function key(ev) {
		const tile = ev.target, node = tile.node;
		if (!node)
			return;
		const row = (node.parent?.children ?? [node]).filter((n) => n.tile), i = row.indexOf(node);
		const act = {
			ArrowRight: () => move(tile, row[i + 1]?.tile),
			ArrowLeft: () => move(tile, row[i - 1]?.tile),
			ArrowDown: () => move(tile, node.children.find((n) => n.tile)?.tile),
			ArrowUp: () => move(tile, node.parent?.tile),
			Enter: () => node.children.length && zoom(node, true),
			Escape: () => at.parent && zoom(at.parent, true),
			Backspace: () => at.parent && zoom(at.parent, true),
		}[ev.key];
		if (!act)
			return;
		ev.preventDefault();
		act();
	}

	function start() {
		build();
		at = root;
		box.addEventListener("click", (ev) => {
			let node = ev.target.closest(".tile")?.node;
			while (node && !node.children.length)
				node = node.parent;
			if (node && node !== at)
				zoom(node);
		});
		box.addEventListener("keydown", key);
		box.addEventListener("mousemove", (ev) => {
			const tile = ev.target.closest(".tile");
			if (tile)
				tip.show(lines(tile.node), ev.clientX, ev.clientY);
		});
		box.addEventListener("mouseleave", () => tip.hide());
		box.addEventListener("focusin", (ev) => {
			const r = ev.target.getBoundingClientRect();
			if (ev.target.node && ev.target.matches(":focus-visible"))
				tip.show(lines(ev.target.node), r.left, Math.min(r.bottom, innerHeight - 60) - 18);
		});
		box.addEventListener("focusout", () => tip.hide());
		new ResizeObserver(() => render()).observe(box);
		theme.onChange(() => {
			/* Paper may be narrower, but not lower: labels have their height. */
			box.style.height = theme.printing ? box.clientHeight + "px" : "";
			render();
		});
	}

	return {
		start,
		highlight(cls) {
			highlighted = cls;
			fade();
		},
	};
})();

/*
 * The picture: rows of frames on a canvas, as many as are seen. The place of every frame at least LEAST wide is computed
 * when the zoom changes; scrolling only draws.
 */

const flame = (() => {
	const ROW = 19, LEAST = .6, TEXT = 34, PAD = 4;
	const by = (id) => document.getElementById(id);
	const canvas = by("flame"), view = by("view"), space = by("space"), find = by("find"), found = by("found");
	const reset = by("reset"), crumbs = by("crumbs"), invert = by("invert"), when = by("when"), status = by("status");
	const ctx = canvas.getContext("2d");
	let zoomed = 0, cursor = 0, inverted = false, past = false;
	let rows = [], width = 0, height = 0, tallest = 0, letter = 7, font = "";
	let matches = null; /* by name: 1 where it was searched for */
	let matched = [];   /* nodes: the topmost of each path */

	const widths = () => past ? profile.widthBefore : profile.widthNow;
	const text = (node) => profile.names[profile.name[node]];

	/* ---- layout ---- */

	function put(row, node, x, w) {
		while (rows.length <= row)
			rows.push({ node: [], x: [], w: [] });
		rows[row].node.push(node);
		rows[row].x.push(x);
		rows[row].w.push(w);
	}

	/* The way to the zoomed frame stands before it, at full width. */
	function layout() {
		const column = widths(), first = profile.depth[zoomed], left = [];
		rows = [];
		for (let i = zoomed, path = []; i >= 0; i = profile.parent[i]) {
			path.push(i);
			if (profile.parent[i] < 0)
				path.reverse().forEach((node, row) => put(row, node, 0, width));
		}
		const scale = column[zoomed] ? width / column[zoomed] : 0;
		left[first + 1] = 0;
		for (let i = zoomed + 1; i < profile.end[zoomed];) {
			const d = profile.depth[i], w = column[i] * scale, x = left[d];
			left[d] += w;
			if (w < LEAST) {
				i = profile.end[i];
				continue;
			}
			put(d, i, x, w);
			left[d + 1] = x;
			i++;
		}
	}

	function measure() {
		const style = getComputedStyle(document.body);
		font = "12px " + style.getPropertyValue("--mono");
		width = view.clientWidth;
		const full = rows.length * ROW + 1;
		tallest = Math.max(tallest, full); /* so that the page stands still when zoomed */
		height = theme.printing ? Math.min(full, 12000) : Math.min(tallest, Math.max(240, Math.floor(innerHeight * .7)));
		view.style.height = height + "px";
		space.style.height = Math.max(full, height) + "px";
		width = view.clientWidth;
		const ratio = devicePixelRatio || 1;
		canvas.width = Math.round(width * ratio);
		canvas.height = Math.round(height * ratio);
		canvas.style.height = height + "px";
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		ctx.font = font;
		letter = ctx.measureText("0").width;
	}

	/* With the root at the bottom the last row stands at the bottom of the picture, however few there are. */
	const lowest = () => Math.max(rows.length, Math.floor(height / ROW)) - 1;
	const top = (row) => (inverted ? lowest() - row : row) * ROW - view.scrollTop;

	/* ---- drawing ---- */

	function label(node, w) {
		const room = Math.floor((w - 2 * PAD) / letter), full = text(node);
		if (full.length <= room)
			return full;
		const short = profile.short(full);
		return short.length <= room ? short : room > 2 ? short.slice(0, room - 1) + "\u2026" : "";
	}

	function drawFrame(row, k, y) {
		const node = rows[row].node[k], x = rows[row].x[k], w = rows[row].w[k];
		let c = paint.color(node);
		const hit = matches && matches[profile.name[node]];
		if (matches && !hit)
			c = mix(c, theme.dark ? [26, 30, 33] : [255, 255, 255], .72);
		else if (hit)
			c = theme.dark ? [176, 66, 190] : [214, 92, 226];
		ctx.fillStyle = css(c);
		ctx.fillRect(x, y, w > 3 ? w - 1 : w, ROW - 1);
		if (w < TEXT)
			return;
		const shown = label(node, w), wide = /[^\u0020-\u024f\u2026]/.test(shown);
		ctx.fillStyle = matches && !hit ? (theme.dark ? "#97a1aa" : "#5a646d") : ink(c);
		if (wide) {
			ctx.save();
			ctx.beginPath();
			ctx.rect(x, y, w - 1, ROW - 1);
			ctx.clip();
		}
		ctx.fillText(shown, x + PAD, y + ROW / 2);
		if (wide)
			ctx.restore();
	}

	function place(node) {
		const row = profile.depth[node], k = rows[row] ? rows[row].node.indexOf(node) : -1;
		return k < 0 ? null : { row, k, x: rows[row].x[k], w: rows[row].w[k] };
	}

	function draw() {
		ctx.clearRect(0, 0, width, height);
		ctx.font = font;
		ctx.textBaseline = "middle";
		rows.forEach((row, r) => {
			const y = top(r);
			for (let k = 0; y > -ROW && y < height && k < row.node.length; k++)
				drawFrame(r, k, y);
		});
		const at = document.activeElement === canvas && place(cursor);
		if (at) {
			ctx.lineWidth = 2;
			ctx.strokeStyle = theme.dark ? "#ffffff" : "#000000";
			ctx.strokeRect(at.x + 1, top(at.row) + 1, Math.max(at.w - 3, 1), ROW - 3);
		}
	}

	function render() {
		width = view.clientWidth;
		layout();
		measure();
		draw();
	}

	/* ---- what a frame says ---- */

	function lines(node) {
		const p = profile, all = p.now[0], out = [text(node)], f = p.byName[p.name[node]];
		const share = (v, whole) => percent(v, whole) || "0%";
		if (paint.diff && p.before)
			out.push([null, "now", p.value(p.now[node])], [null, "before", p.value(p.before[node])],
				[null, "change", p.change(p.now[node], p.before[node])]);
		else
			out.push([null, p.value(p.now[node]), `${share(p.now[node], all)} of all`]);
		if (p.self[node] && p.self[node] !== p.now[node])
			out.push([null, `${p.value(p.self[node])} by itself`, `${share(p.self[node], all)} of all`]);
		if (p.parent[node] > 0)
			out.push([null, "of the enclosing frame", share(p.now[node], p.now[p.parent[node]])]);
		if (f.places > 1)
			out.push([null, `in all its ${count(f.places)} places ${p.value(f.total)}`, share(f.total, all)]);
		const file = data.files[data.file[p.name[node]]], about = data.about.find(([i]) => i === p.name[node]);
		if (file)
			out.push(clean(file));
		if (about)
			out.push(about[1]);
		return out;
	}

	function say(node) {
		const p = profile;
		status.textContent = `${text(node)}: ${p.value(p.now[node])}` +
			(p.before ? `, ${p.change(p.now[node], p.before[node])}` : `, ${percent(p.now[node], p.now[0]) || "0%"} of all`);
	}

	function frameAt(x, y) {
		const line = Math.floor((y + view.scrollTop) / ROW), row = rows[inverted ? lowest() - line : line];
		if (!row)
			return -1;
		let lo = 0, hi = row.x.length;
		while (lo < hi) {
			const mid = (lo + hi) >> 1;
			if (row.x[mid] <= x)
				lo = mid + 1;
			else
				hi = mid;
		}
		return lo && x < row.x[lo - 1] + row.w[lo - 1] ? row.node[lo - 1] : -1;
	}

	/* ---- zoom ---- */

	function showCrumbs() {
		const path = [];
		for (let i = zoomed; i >= 0; i = profile.parent[i])
			path.unshift(i);
		const shown = path.length > 9 ? [...path.slice(0, 2), -1, ...path.slice(-6)] : path;
		crumbs.replaceChildren(...shown.flatMap((node, i) => {
			const sep = i ? [document.createTextNode("\u203a")] : [];
			if (node < 0)
				return [...sep, document.createTextNode("\u2026")];
			if (node === zoomed)
				return [...sep, el("b", "", text(node))];
			const b = el("button", "", profile.short(text(node)));
			b.addEventListener("click", () => zoom(node));
			return [...sep, b];
		}));
	}

	function scrollTo(node) {
		const y = top(profile.depth[node]);
		if (y < 0 || y > height - ROW)
			view.scrollTop += y - Math.min(3 * ROW, height - ROW) * (inverted ? -1 : 1) - (inverted ? height - ROW : 0);
	}

	function zoom(node) {
		zoomed = cursor = node;
		reset.disabled = !node;
		tip.hide();
		render();
		scrollTo(node);
		showCrumbs();
		draw();
	}

	/* ---- search ---- */

	/* A regular expression where it is one, else the text as it stands. Small letters stand for capital ones too. */
	function pattern(s) {
		const flags = s === s.toLowerCase() ? "i" : "";
		try {
			return new RegExp(s, flags);
		} catch {
			return new RegExp(s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), flags);
		}
	}

	function search() {
		const s = find.value.trim();
		matches = null;
		matched = [];
		found.textContent = "";
		if (s) {
			const re = pattern(s);
			matches = profile.names.map((t, i) => i && re.test(t) ? 1 : 0);
			let sum = 0, old = 0;
			for (let i = 1; i < profile.n;) {
				if (!matches[profile.name[i]]) {
					i++;
					continue;
				}
				matched.push(i);
				sum += profile.now[i];
				old += profile.before ? profile.before[i] : 0;
				i = profile.end[i];
			}
			const names = matches.reduce((a, b) => a + b, 0);
			found.textContent = !names ? "nothing matches" : `${count(names)} function${names > 1 ? "s" : ""}: ${profile.value(sum)}` +
				(profile.before ? `, ${profile.change(sum, old)}` : `, ${percent(sum, profile.now[0]) || "0%"} of all`);
		}
		draw();
	}

	/* The next match from the cursor, in the order of the picture; zoomed out when it is not in it. */
	function nextMatch(step) {
		if (!matched.length)
			return;
		let k = step > 0 ? matched.findIndex((i) => i > cursor) : matched.findLastIndex((i) => i < cursor);
		if (k < 0)
			k = step > 0 ? 0 : matched.length - 1;
		if (!place(matched[k]))
			zoom(matched[k]);
		moveTo(matched[k]);
	}

	/* ---- keys ---- */

	function moveTo(node) {
		const at = node >= 0 && place(node);
		if (!at)
			return;
		cursor = node;
		scrollTo(node);
		draw();
		say(node);
		if (canvas.matches(":focus-visible"))
			tip.hide();
	}

	function child(node) {
		const next = rows[profile.depth[node] + 1];
		return next?.node.find((i) => i > node && i < profile.end[node]) ?? -1;
	}

	const near = (step) => {
		const at = place(cursor);
		return at ? rows[at.row].node[at.k + step] ?? -1 : zoomed;
	};
	const canvasKeys = {
		ArrowLeft: () => moveTo(near(-1)),
		ArrowRight: () => moveTo(near(1)),
		ArrowUp: () => moveTo(inverted ? child(cursor) : profile.parent[cursor]),
		ArrowDown: () => moveTo(inverted ? profile.parent[cursor] : child(cursor)),
		Home: () => moveTo(rows[profile.depth[cursor]]?.node[0] ?? 0),
		End: () => moveTo(rows[profile.depth[cursor]]?.node.at(-1) ?? 0),
		Enter: () => zoom(cursor),
		" ": () => zoom(cursor),
		Backspace: () => zoom(Math.max(0, profile.parent[zoomed])),
	};
	const pageKeys = {
		"/": () => find.select(),
		"?": () => by("help").showModal(),
		i: () => invert.click(),
		b: () => profile.before && when.click(),
		n: () => nextMatch(1),
		N: () => nextMatch(-1),
		Escape: escape,
	};

	function escape() {
		if (zoomed) {
			zoom(0);
		} else if (find.value) {
			find.value = "";
			search();
		}
		tip.hide();
	}

	function key(ev) {
		if (ev.ctrlKey || ev.altKey || ev.metaKey || by("help").open)
			return;
		if (ev.target === find) {
			if (ev.key === "Escape") {
				find.value = "";
				search();
				canvas.focus();
			} else if (ev.key === "Enter") {
				canvas.focus();
				nextMatch(1);
			}
			return;
		}
		const act = (ev.target === canvas && canvasKeys[ev.key]) || pageKeys[ev.key];
		if (act) {
			ev.preventDefault();
			act();
		}
	}

	/* ---- the page around it ---- */

	function head() {
		const p = profile, h1 = el("h1", "", clean(data.title)), parts = [];
		document.title = clean(data.title);
		parts.push(`${p.value(p.now[0])} ${clean(data.type).replaceAll("_", " ")}`);
		if (p.before)
			parts.push(`before ${p.value(p.before[0])}`, p.change(p.now[0], p.before[0]));
		if (data.subtitle)
			parts.push(clean(data.subtitle));
		add(by("head"), h1, el("p", "", parts.join(" \u00b7 ")));
		if (data.cut)
			by("head").append(el("p", "", `The innermost frames of ${count(data.cut)} small stacks are left out: the picture would be too large. Their values count.`));
		canvas.setAttribute("aria-label", `Flame graph of ${clean(data.title)}: ${parts[0]}, ${count(p.n - 1)} frames`);
	}

	function legend() {
		by("legend").replaceChildren(...paint.legend().map(([from, to, about]) => {
			const item = el("span"), mark = el("i");
			mark.style.background = `linear-gradient(90deg, ${css(from)}, ${css(to)})`;
			return add(item, mark, about);
		}));
	}

	function keysHelp() {
		const rows = [["arrow keys", "walk among frames"], ["Enter", "zoom into the frame"], ["Backspace", "zoom out by one"], ["Escape", "show all; then clear the search"],
			["/", "search"], ["n, N", "next match, the one before"], ["i", "root at the top or at the bottom"]];
		if (profile.before)
			rows.push(["b", "widths of now or of before"]);
		rows.push(["?", "this list"]);
		const list = el("dl"), close = el("button", "", "close");
		rows.forEach(([k, about]) => add(list, el("dt", "", k), el("dd", "", about)));
		close.addEventListener("click", () => by("help").close());
		add(by("help"), el("b", "", "Keys"), list, close);
	}

	function setPast(on) {
		past = on;
		when.textContent = past ? "widths: before" : "widths: now";
	}

	function start() {
		head();
		legend();
		keysHelp();
		when.hidden = !profile.before;
		setPast(profile.before !== null && !profile.now[0] && profile.before[0] !== 0);
		when.addEventListener("click", () => {
			setPast(!past);
			render();
		});
		invert.addEventListener("click", () => {
			inverted = !inverted;
			invert.setAttribute("aria-pressed", inverted);
			render();
			view.scrollTop = inverted ? rows.length * ROW : 0;
			draw();
		});
		reset.addEventListener("click", () => zoom(0));
		by("keys").addEventListener("click", () => by("help").showModal());
		find.addEventListener("input", search);
		document.addEventListener("keydown", key);
		canvas.addEventListener("click", (ev) => {
			const node = frameAt(ev.offsetX, ev.offsetY);
			if (node >= 0)
				zoom(node);
		});
		canvas.addEventListener("mousemove", (ev) => {
			const node = frameAt(ev.offsetX, ev.offsetY);
			if (node >= 0)
				tip.show(lines(node), ev.clientX, ev.clientY);
			else
				tip.hide();
		});
		canvas.addEventListener("mouseleave", () => tip.hide());
		canvas.addEventListener("focus", draw);
		canvas.addEventListener("blur", draw);
		view.addEventListener("scroll", () => {
			tip.hide();
			draw();
		}, { passive: true });
		new ResizeObserver(() => view.clientWidth !== width && render()).observe(view);
		theme.onChange(() => {
			legend();
			render();
		});
		render();
		showCrumbs();
	}

	/* Shows a function wherever it is. */
	function show(nameId) {
		find.value = "^" + profile.names[nameId].replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "$";
		search();
		canvas.focus();
		nextMatch(1);
	}

	return { start, show };
})();

/* The same as a table, which can be read without the picture. */
const functions = (() => {
	const ROWS = 25;
	const columns = [
		{ key: "self", name: "itself", get: (f) => f.self },
		{ key: "total", name: "in all", get: (f) => f.total },
	];
	if (profile.before)
		columns.push({ key: "change", name: "change", get: (f) => f.total - f.before, diff: true });
	let sorted = profile.before ? columns[2] : columns[0];

	function show(box) {
		const table = el("table"), tr = el("tr"), all = profile.now[0];
		const order = profile.byName.map((f, i) => i).slice(1)
			.filter((i) => sorted.get(profile.byName[i]) !== 0)
			.sort((a, b) => Math.abs(sorted.get(profile.byName[b])) - Math.abs(sorted.get(profile.byName[a]))).slice(0, ROWS);
		tr.append(el("th", "", "Function"));
		for (const c of columns) {
			const th = el("th"), b = el("button", "", c.name);
			if (c === sorted)
				th.setAttribute("aria-sort", "descending");
			b.addEventListener("click", () => {
				sorted = c;
				show(box);
			});
			th.colSpan = c.diff ? 1 : 2;
			tr.append(add(th, b));
		}
		const body = el("tbody");
		for (const i of order)
			body.append(line(i, all));
		box.replaceChildren(el("h2", "", data.colors.length ? "Largest owners" : "Largest functions"), add(table, add(el("thead"), tr), body));
	}

	function line(i, all) {
		const f = profile.byName[i], tr = el("tr"), b = el("button", "", profile.names[i]);
		b.addEventListener("click", () => flame.show(i));
		tr.append(add(el("td"), b));
		for (const c of columns) {
			const v = c.get(f);
			if (c.diff)
				tr.append(el("td", v > 0 ? "grew" : v < 0 ? "shrank" : "", profile.change(f.total, f.before)));
			else
				add(tr, el("td", "", profile.value(v)), el("td", "share", percent(v, all)));
		}
		return tr;
	}

	return { show };
})();

flame.start();
functions.show(document.getElementById("functions"));

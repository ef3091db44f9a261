/* The columns of the profile and what follows from them: totals, shares, packages, colours. No drawing. */

const profile = (() => {
	const n = data.depth.length, names = data.names.map((s) => clean(s) || "?");
	const depth = Uint32Array.from(data.depth), name = Uint32Array.from(data.name);
	const parent = new Int32Array(n), end = new Uint32Array(n);
	const now = Float64Array.from(data.self), before = data.base ? Float64Array.from(data.base) : null;
	/* Widths: like values, but a negative value is as wide as a positive one. */
	const widthNow = now.map(Math.abs), widthBefore = before?.map(Math.abs);
	const signed = !before && now.some((v) => v < 0);

	for (let i = 0, path = []; i < n; i++) {
		parent[i] = depth[i] ? path[depth[i] - 1] : -1;
		path[depth[i]] = i;
		end[i] = i + 1;
	}
	const self = now.slice(), selfBefore = before?.slice();
	for (let i = n - 1; i > 0; i--) {
		const p = parent[i];
		end[p] = Math.max(end[p], end[i]);
		for (const column of [now, before, widthNow, widthBefore]) {
			if (column)
				column[p] += column[i];
		}
	}

	/* Per function: all frames of its name once, though it calls itself. */
	const byName = names.map(() => ({ self: 0, total: 0, before: 0, places: 0 }));
	const open = new Uint32Array(names.length);
	for (let i = 0, path = []; i < n; i++) {
		while (path.length > depth[i])
			open[path.pop()]--;
		const f = byName[name[i]];
		f.self += self[i];
		f.places++;
		if (!open[name[i]]) {
			f.total += now[i];
			f.before += before ? before[i] : 0;
		}
		open[name[i]]++;
		path.push(name[i]);
	}

	/* "github.com/a/b" of "github.com/a/b.(*T).F[...]"; a name without a package is its own. */
	function packageOf(text) {
		const head = text.split(/[[(\s]/, 1)[0], slash = head.lastIndexOf("/") + 1, dot = head.indexOf(".", slash);
		return dot > 0 ? head.slice(0, dot) : head.split("::", 1)[0] || text;
	}

	/* Without the path of the package: what fits a narrow frame. */
	function short(text) {
		const stop = text.search(/[[(\s]/), head = stop < 0 ? text : text.slice(0, stop);
		return text.slice(head.lastIndexOf("/") + 1);
	}

	function duration(ns) {
		const v = Math.abs(ns), sign = ns < 0 ? "\u2212" : "";
		for (const [unit, per] of [["s", 1e9], ["ms", 1e6], ["\u00b5s", 1e3]]) {
			if (v >= per)
				return sign + (v / per).toPrecision(3) + "\u00a0" + unit;
		}
		return sign + v + "\u00a0ns";
	}

	function value(v) {
		if (data.unit === "bytes")
			return size(v);
		if (data.unit === "nanoseconds")
			return duration(v);
		return count(v).replace("-", "\u2212") + (data.unit && data.unit !== "count" ? "\u00a0" + clean(data.unit) : "");
	}

	function change(v, old) {
		const d = v - old, sign = d > 0 ? "+" : "";
		const share = old ? ` (${sign}${(100 * d / Math.abs(old)).toFixed(Math.abs(d / old) < .1 ? 1 : 0).replace("-", "\u2212")}%)` : d ? " (new)" : "";
		return (d ? sign + value(d) : "no change") + share;
	}

	/* -1: gone, 0: as before, 1: new. Of signed values without a base: how one-sided. */
	function trend(i) {
		if (signed)
			return widthNow[i] ? now[i] / widthNow[i] : 0;
		const most = Math.max(Math.abs(now[i]), Math.abs(before[i]));
		return most ? Math.max(-1, Math.min(1, (now[i] - before[i]) / most)) : 0;
	}

	return { n, names, depth, name, parent, end, now, before, widthNow, widthBefore, signed, self, byName, packageOf, short, value, change, trend };
})();

/* Colours: given ones with what is below them, or what grew and shrank, or by the kind of package. */
const paint = (() => {
	const kinds = [
		{ key: "main", about: "package main", hue: () => 30, sat: .75 },
		{ key: "other", about: "other modules", hue: (h) => h % 2 ? 85 + h % 75 : 275 + h % 60, sat: .42 },
		{ key: "std", about: "standard library", hue: (h) => 190 + h % 45, sat: .5 },
		{ key: "runtime", about: "runtime", hue: (h) => 210 + h % 30, sat: .1 },
	];
	const given = new Map(data.colors.map(([i, color]) => [i, vivid(rgb(color))]));
	const diff = profile.before !== null || profile.signed;
	let cache = [], inherited = null;

	function hash(text) {
		let h = 2166136261;
		for (let i = 0; i < text.length; i++)
			h = Math.imul(h ^ text.charCodeAt(i), 16777619) >>> 0;
		return h >>> 3;
	}

	function hsl(h, s, l) {
		const k = (i) => (i + h / 30) % 12, a = s * Math.min(l, 1 - l);
		return [0, 8, 4].map((i) => Math.round(255 * (l - a * Math.max(-1, Math.min(k(i) - 3, 9 - k(i), 1)))));
	}

	function kindOf(pkg) {
		if (pkg === "main" || pkg.startsWith("main."))
			return kinds[0];
		if (/^(internal\/)?runtime(\/|$)/.test(pkg))
			return kinds[3];
		return pkg.split("/", 1)[0].includes(".") || !/^[a-z0-9_/]+$/.test(pkg) ? kinds[1] : kinds[2];
	}

	function ofKind(kind, h) {
		return hsl(kind.hue(h), theme.dark ? kind.sat * .75 : kind.sat, (theme.dark ? .34 : .72) + (h % 5 - 2) * .012);
	}

	function byPackage(nameId) {
		if (!cache[nameId]) {
			const pkg = profile.packageOf(profile.names[nameId]);
			cache[nameId] = nameId ? ofKind(kindOf(pkg), hash(pkg)) : neutral();
		}
		return cache[nameId];
	}

	function neutral() {
		return theme.dark ? [58, 64, 70] : [222, 225, 228];
	}

	function byTrend(t) {
		const most = t > 0 ? [208, 52, 44] : [44, 104, 205];
		return Math.abs(t) < .0005 ? neutral() : mix(neutral(), most, .18 + .82 * Math.abs(t));
	}

	/* By node: the number of the nearest name above that has a colour of its own. */
	function inherit() {
		inherited = new Int32Array(profile.n).fill(-1);
		for (let i = 1; i < profile.n; i++)
			inherited[i] = given.has(profile.name[i]) ? profile.name[i] : inherited[profile.parent[i]];
	}

	function color(node) {
		if (diff)
			return byTrend(profile.trend(node));
		if (!given.size)
			return byPackage(profile.name[node]);
		if (!inherited)
			inherit();
		const base = given.get(inherited[node]);
		if (!base)
			return neutral();
		return inherited[node] === profile.name[node] ? base : mix(base, isDark(base) ? [0, 0, 0] : [255, 255, 255], profile.depth[node] % 2 ? .08 : .18);
	}

	/* [from colour, to colour, text] */
	function legend() {
		if (diff)
			return [[byTrend(.1), byTrend(1), profile.signed ? "positive" : "grew, or is new"], [neutral(), neutral(), "as before"],
				[byTrend(-.1), byTrend(-1), profile.signed ? "negative" : "shrank, or is gone"]];
		if (given.size)
			return [];
		return kinds.map((k) => [ofKind(k, 1), ofKind(k, 2), k.about]);
	}

	theme.onChange(() => cache = []);
	return { color, legend, diff };
})();

// Asks the assets of wrangler's own local server, miniflare, for many paths of many sites.
//
//   node miniflare.cjs MINIFLARE < sites
//
// MINIFLARE is the folder of the npm package. A site is a line of JSON, { directory, options, requests }; so is its answer, in
// the same order: a list of { status, location, type, cache, body }. The worker behind the assets answers with the word
// "worker" and the path, and serves what begins with /binding/ with its assets.
"use strict";
const http = require("http");
const path = require("path");
const readline = require("readline");
const { Miniflare, convertV4MiniflareOptions } = require(path.resolve(process.argv[2]));

const script = `export default {
  fetch(request, env) {
    const url = new URL(request.url);
    if (!url.pathname.startsWith("/binding/")) return new Response("worker " + url.pathname);
    url.pathname = url.pathname.slice("/binding".length);
    return env.ASSETS.fetch(new Request(url, request));
  },
}`;

async function ask({ directory, options, requests }) {
	const mf = new Miniflare(convertV4MiniflareOptions({
		name: "w", modules: true, script, compatibilityDate: "2026-11-17",
		assets: {
			directory, binding: "ASSETS", run_worker_first: options.run_worker_first, routerConfig: { has_user_worker: true },
			assetConfig: { html_handling: options.html_handling, not_found_handling: options.not_found_handling },
		},
	}));
	const { hostname, port } = await mf.ready;
	const answers = [];
	for (const { method, path, headers } of requests) { // fetch would write some headers itself
		const r = await new Promise((resolve, reject) => {
			http.request({ hostname, port, method, path, headers }, resolve).on("error", reject).end();
		});
		let body = "";
		for await (const chunk of r) body += chunk;
		answers.push({
			status: r.statusCode, location: r.headers["location"] ?? "", type: r.headers["content-type"] ?? "",
			cache: r.headers["cache-control"] ?? "", body,
		});
	}
	await mf.dispose();
	return answers;
}

(async () => {
	for await (const line of readline.createInterface({ input: process.stdin })) {
		console.log(JSON.stringify(await ask(JSON.parse(line))));
	}
})();

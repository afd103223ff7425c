// Answers what `wrangler deploy --dry-run` says of many configurations, from one process: to load wrangler takes seconds,
// a configuration a tenth of one. It runs the main function of wrangler's own command line, and listens to its logger.
//
//   node wrangler.cjs WRANGLER < cases
//
// WRANGLER is the folder of the npm package. A case is a line of JSON, { dir, args, file, env, vars }; so is its answer, in the
// same order: { reject, errors, warnings }, each a list of messages, and the variables of wrangler dev if they are asked for.
"use strict";
const fs = require("fs");
const Module = require("module");
const path = require("path");
const readline = require("readline");

Object.assign(process.env, { NO_COLOR: "1", CI: "1", WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", WRANGLER_LOG_SANITIZE: "true" });
const cli = path.join(path.resolve(process.argv[2]), "wrangler-dist", "cli.js");
const wrangler = new Module(cli, null);
wrangler.filename = cli;
wrangler.paths = Module._nodeModulePaths(path.dirname(cli));
wrangler._compile(fs.readFileSync(cli, "utf8") + "\nexports.main = main; exports.logger = logger2;", cli);
const { main, logger } = wrangler.exports;

let messages;
logger.warn = (...args) => messages.warnings.push(args.join(" "));
logger.error = (...args) => messages.logged.push(args.join(" "));
for (const level of ["log", "info", "debug", "debugWithSanitization"]) logger[level] = () => {};

const answer = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write = (chunk, encoding, done) => {
	(done ?? encoding)?.call?.();
	return true;
};

// variables are those of wrangler dev.
function variables(file, env) {
	const config = wrangler.exports.unstable_readConfig({ config: file, env }, { hideWarnings: true });
	const vars = wrangler.exports.unstable_getVarsForDev(config.configPath, undefined, config.vars, env, true, config.secrets);
	return Object.entries(vars).map(([name, { type, value }]) => ({ name, type, value }));
}

async function ask({ dir, args, file, env, vars }) {
	messages = { warnings: [], logged: [] };
	process.chdir(dir);
	process.argv = [process.argv[0], cli, ...args];
	const errors = [];
	try {
		await main(args);
	} catch (e) {
		errors.push(e.text ?? e.message ?? String(e));
	}
	process.exitCode = 0;
	const answer = { reject: errors.length > 0, errors, warnings: messages.warnings };
	if (vars) answer.vars = variables(path.join(dir, file), env || undefined);
	return answer;
}

(async () => {
	for await (const line of readline.createInterface({ input: process.stdin })) {
		answer(JSON.stringify(await ask(JSON.parse(line))) + "\n");
	}
	process.exit(0);
})();

package wrangler

// Assets are static files that are served beside the worker. See
// https://developers.cloudflare.com/workers/static-assets/.
type Assets struct {
	Directory        string `json:"directory"`
	Binding          string `json:"binding"`
	HTMLHandling     string `json:"html_handling"`
	NotFoundHandling string `json:"not_found_handling"`
	BasePath         string `json:"base_path"`
	RunWorkerFirst   any    `json:"run_worker_first"` // nil, a bool, or a list of patterns
}

func checkAssets(s *scope, n node) {
	if n.kind() != "object" || n.isNothing() {
		s.wrong(n.at, `"%s" should be an object, but got value "%[1]s" of type %s`, n.name, n.kind())
		return
	}
	s.only(n, "directory", "binding", "html_handling", "not_found_handling", "base_path", "run_worker_first")
	s.kind(n.key("directory"), "string")
	s.kind(n.key("binding"), "string")
	s.kind(n.key("html_handling"), "string", "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none")
	s.kind(n.key("not_found_handling"), "string", "single-page-application", "404-page", "none")
	s.kind(n.key("base_path"), "string")
	switch first := n.key("run_worker_first"); {
	case first.isList():
		s.listOf(first, "string")
	case first.value == true && !n.key("binding").set:
		s.warn(first.at, "run_worker_first=true set without an assets binding\nSetting run_worker_first to true will always invoke your Worker script.\nTo fetch your assets from your Worker, please set the [assets.binding] key in your configuration file.\n\nRead more: https://developers.cloudflare.com/workers/static-assets/binding/#binding")
	case first.set && first.kind() != "boolean":
		s.wrong(first.at, `The field "%s" should be an array of strings or a boolean, but got %s.`, first.name, s.show(first))
	}
}

package wrangler

import (
	"maps"
	"slices"
)

// checkRunnable refuses what Parse understands and durago does not run yet.
func (p *problems) checkRunnable(c *Config) {
	for _, name := range slices.Sorted(maps.Keys(c.Exports)) {
		if c.Exports[name].Type == "worker" {
			p.own(p.place(c, "exports."+name), "entrypoints are the program's Services: remove the entry from the configuration that durago reads")
		}
	}
	p.checkFolder(c)
	if c.Assets != nil && c.Assets.BasePath != "" {
		p.own(p.place(c, "assets.base_path"), "durago serves static files at the root only: remove this key from the configuration that durago reads")
	}
}

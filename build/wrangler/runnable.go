package wrangler

import (
	"fmt"
	"maps"
	"slices"
)

// checkRunnable refuses what Parse understands and durago does not run yet.
func (p *problems) checkRunnable(c *Config) {
	for i, b := range c.DurableObjects.Bindings {
		if b.ScriptName != "" && b.ScriptName != c.Name {
			p.own(p.place(c, fmt.Sprintf("durable_objects.bindings[%d].script_name", i)),
				"durago runs one worker so far: declare the class %s here, or remove the binding", b.ClassName)
		}
	}
	for i, s := range c.Services {
		at := p.place(c, fmt.Sprintf("services[%d].service", i))
		if s.Service == c.Name {
			continue
		}
		p.own(at, "durago runs one worker so far: bind an entrypoint of %s itself, or remove the binding", c.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Exports)) {
		if c.Exports[name].Type == "worker" {
			p.own(p.place(c, "exports."+name), "entrypoints are the program's Services: remove the entry from the configuration that durago reads")
		}
	}
	if c.Assets != nil {
		p.own(p.place(c, "assets"), "durago does not serve static files yet: remove this key from the configuration that durago reads")
	}
}

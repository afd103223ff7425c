package wrangler

import "path/filepath"

// environment finds the values of the environment that is asked for, checked, as one object without env.
//
// An environment is a worker of its own. It has the keys of env.NAME; of those that are not there, the inherited ones come
// from the top level, and its name is the top level's with -NAME. See
// https://developers.cloudflare.com/workers/wrangler/environments/.
func (p *problems) environment(root node, e Environment) map[string]any {
	top := &scope{problems: p, here: root}
	top.check()
	names := p.keys(root.key("env"))
	if e.Name == "" {
		if len(names) > 0 && !e.TopLevel && e.Command != "" {
			p.warn("", `Multiple environments are defined in the Wrangler configuration file, but no target environment was specified for the %s command.
				To avoid unintentional changes to the wrong environment, it is recommended to explicitly specify the target environment using the `+"`-e|--env`"+` flag or CLOUDFLARE_ENV env variable.
				If your intention is to use the top-level environment of your configuration simply pass an empty string to the flag to target such environment. For example `+"`--env=\"\"`.", e.Command)
		}
		return effective(root, node{}, "")
	}
	here := root.key("env").key(e.Name)
	if here.set {
		if !here.isObject() {
			p.own(here.at, "want an object, got %s", p.show(here))
			return effective(root, node{}, e.Name)
		}
		(&scope{problems: p, here: here, env: e.Name, top: root}).check()
		return effective(root, here, e.Name)
	}
	p.noEnvironment(names, e.Name)
	return effective(root, node{}, e.Name)
}

func (p *problems) noEnvironment(names []string, env string) {
	format := "No environment found in configuration with name \"%[1]s\".\nBefore using `--env=%[1]s` there should be an equivalent environment section in the configuration.\n"
	args := []any{env, filepath.Base(p.file)}
	say := p.warn
	if len(names) > 0 {
		format += "The available configured environment names are: %[3]s\n"
		args = append(args, showJSON(names))
		say = p.wrong
	}
	format += "\nConsider adding an environment configuration section to the %[2]s file:\n```\n[env.%[1]s]\n```\n"
	say("", format, args...)
}

// effective merges an environment with what it inherits. Without one, it is the top level; with a name that there is no
// environment for, the top level under that name.
func effective(root, here node, env string) map[string]any {
	all := map[string]any{}
	for name, k := range keys {
		v, own := root.key(name), here.key(name)
		switch {
		case here.set && (k.inheritance == notInherited || k.inheritance == inherited && !own.isNothing()):
			v = own
		case name == "name" && env != "" && v.text() != "":
			v.value = v.text() + "-" + env
		}
		if !v.isNothing() {
			all[name] = v.value
		}
	}
	return all
}

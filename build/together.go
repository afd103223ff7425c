package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"durago.example/build/wrangler"
	"durago.example/wasm/abi"
)

// check finds what plain workerd would not start with: names and addresses that two workers have, and bindings of workers
// and classes that are not there. Its error is a *MismatchError.
func (w Workerd) check() error {
	var list []error
	add := func(format string, args ...any) { list = append(list, fmt.Errorf(format, args...)) }
	all := map[string]*wrangler.Config{}
	for _, c := range w.Workers {
		if other, ok := all[c.Name]; ok {
			add("%s and %s have workers of the name %s: give one another name", other.File, c.File, c.Name)
		}
		all[c.Name] = c
		if c.Name == "do" || c.Name == "internet" {
			add("%s has a worker of the name %s, which is another service of workerd: give it another name", c.File, c.Name)
		}
	}
	addresses := map[string]socket{}
	for _, s := range w.sockets() {
		if other, ok := addresses[s.address]; ok {
			add("the workers %s and %s both take requests at %s: give one another dev.port", other.service, s.service, s.address)
		}
		addresses[s.address] = s
	}
	for _, c := range w.Workers {
		if c.Assets != nil {
			add("%s has assets, which plain workerd does not serve: use durago run, wrangler dev or Cloudflare for this worker", c.File)
		}
		for _, b := range c.DurableObjects.Bindings {
			if b.ScriptName == "" || b.ScriptName == c.Name {
				continue // Check knows its own
			}
			other, ok := all[b.ScriptName]
			switch {
			case !ok:
				add("the binding %s of %s names the class %s of the worker %s, which workerd would not know: name its configuration too, with another -c", b.Name, c.File, b.ClassName, b.ScriptName)
			case !slices.ContainsFunc(other.Classes(), func(k wrangler.Class) bool { return k.Name == b.ClassName }):
				add("the binding %s of %s names the class %s of the worker %s, but %s declares none of that name", b.Name, c.File, b.ClassName, b.ScriptName, other.File)
			}
		}
		for _, x := range c.Services {
			if all[x.Service] == nil {
				add("the binding %s of %s names the worker %s, which workerd would not know: name its configuration too, with another -c", x.Binding, c.File, x.Service)
			}
		}
	}
	if w.Cluster != "" {
		if err := CheckCluster(w.Cluster); err != nil {
			list = append(list, err)
		}
	}
	if len(list) > 0 {
		return &MismatchError{list}
	}
	return nil
}

// checkEntrypoints finds bindings of entrypoints that the other worker's program does not export. Check has looked at its own.
func (w Workerd) checkEntrypoints(manifests map[string]*abi.Manifest) error {
	var list []error
	for _, c := range w.Workers {
		for _, x := range c.Services {
			if x.Entrypoint != "" && x.Service != c.Name && !slices.ContainsFunc(manifests[x.Service].Services, func(k abi.ManifestClass) bool { return k.Name == x.Entrypoint }) {
				list = append(list, fmt.Errorf("the binding %s of %s names the entrypoint %s of the worker %s, but its program does not export it: add it to Program.Services", x.Binding, c.File, x.Entrypoint, x.Service))
			}
		}
	}
	if len(list) > 0 {
		return &MismatchError{list}
	}
	return nil
}

// CheckCluster tells what is wrong with the bucket of a cluster: it is s3://bucket/prefix, for S3 and what speaks as it
// does, or gs://bucket/prefix.
func CheckCluster(url string) error {
	wrong := func(why string) error {
		return fmt.Errorf("the cluster's bucket %q %s: write s3://BUCKET/PREFIX or gs://BUCKET/PREFIX", url, why)
	}
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || scheme != "s3" && scheme != "gs" {
		return wrong("is no URL of S3 or Google Cloud Storage")
	}
	if strings.Contains(rest, "@") { // it may be a secret, and is not repeated
		return errors.New("the cluster's bucket has credentials in its URL, which would be written down: give them to workerd as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a file that AWS_CREDENTIALS_FILE names")
	}
	bucket, prefix, ok := strings.Cut(rest, "/")
	switch {
	case len(bucket) < 3 || len(bucket) > 63 || !plain(bucket, ".-_") || strings.ToLower(bucket) != bucket || !plain(bucket[:1], "") || !plain(bucket[len(bucket)-1:], ""):
		return wrong("names no bucket: a name has 3 to 63 lower-case letters, digits, dots and hyphens")
	case !ok:
		return nil
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "" || part == "." || part == ".." || !plain(part, ".-_") {
			return wrong("has a prefix that workerd cannot use: its parts have letters, digits, dots, hyphens and underscores")
		}
	}
	return nil
}

// plain tells whether all of s are ASCII letters, digits or of others.
func plain(s, others string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(others, r)
	}) < 0
}

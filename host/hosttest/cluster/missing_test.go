package cluster_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestCluster_missing: workerd says what it was not given, in words that lead to it.
func TestCluster_missing(t *testing.T) {
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	c := newCluster(t, 0, "ledger")
	short := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(short, "cluster.key"), []byte("secret"), 0o600))
	flags := []string{"--experimental", "-I" + c.key, "--cluster-addr=127.0.0.1:0", "-ddo=" + t.TempDir()}
	environment := (&machine{c: c}).environment(c.storage.URL)
	for name, row := range map[string]struct {
		from, to string // the beginning of a flag or variable, and what it is instead: "" is nothing
		want     string
	}{
		"the flag":        {"--experimental", "", "Cluster mode is experimental; it requires --experimental."},
		"the key":         {"-I", "", "Couldn't read file for embed: /cluster.key"},
		"a whole key":     {"-I", "-I" + short, "cluster.key must be at least 32 bytes"},
		"the address":     {"--cluster-addr", "", "cluster address give-the-address-with--cluster-addr: invalid"},
		"the directory":   {"-ddo", "", `Directory named "do" not found: /give-the-directory-with--ddo`},
		"the credentials": {"AWS_ACCESS_KEY_ID", "", "set aws_access_key_id or AWS_ACCESS_KEY_ID"},
		"the bucket":      {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL=http://127.0.0.1:1", "could not load deployments from s3://bucket/objects"},
	} {
		t.Run(name, func(t *testing.T) {
			instead := func(list []string) (out []string) {
				for _, s := range list {
					if strings.HasPrefix(s, row.from) {
						s = row.to
					}
					if s != "" {
						out = append(out, s)
					}
				}
				return out
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it would serve
			defer cancel()
			cmd := exec.CommandContext(ctx, hosttest.WorkerdPath(), slices.Concat([]string{"serve", "-shttp=127.0.0.1:0"}, instead(flags), []string{c.config})...)
			cmd.Env = instead(environment)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), row.want)
		})
	}
}

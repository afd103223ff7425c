package objects

import (
	"context"
	"net/http"
)

// Fetch sends a request to the network, without http.Client, which would add 4.6 MiB to the program. ctx decides on
// whose behalf; when it ends the request is given up. The caller closes the response's body. See
// https://developers.cloudflare.com/workers/runtime-apis/fetch/.
func Fetch(ctx context.Context, r *http.Request) (*http.Response, error) {
	s := scopeOf(ctx)
	if s == nil {
		return nil, errNoScope
	}
	return s.Platform().Fetch(ctx, r)
}

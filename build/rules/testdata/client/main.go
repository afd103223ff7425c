// Command client is what no worker may be: a program that links http.Client.
package main

import "net/http"

func main() {
	if resp, err := http.Get("http://example.com/"); err == nil {
		_ = resp.Body.Close()
	}
}

// Package conformance is what the project claims about storage, stubs and calls, row by row, and the means
// to hold it against what workerd did.
//
// testdata/conformance has the list, a file for each table: a Row is one fact about the platform under an id, with the
// script that shows it. Scripts run on the host and on workerd alike, in objects of testdata/guests/storage; what came of
// each line is an Answer, and each answer is one assertion. workerd's are kept in testdata/conformance/recorded, so that
// comparing needs no workerd.
//
// A row whose answers differ on purpose names a Difference, whose reason is in differences.toml and from there in
// host/DIVERGENCE.md; its recording has the host's answer beside workerd's, and holds the host to that one.
//
// The package reads, compares and writes; its tests run. It knows nothing of hosts.
package conformance

//go:generate go run ./divergence

// Package store is what sqlc generates from schema.sql and query.sql for the engine sqlite; but this file.
package store

import _ "embed" // Schema

// Schema makes the tables if they are not there.
//
//go:embed schema.sql
var Schema string

package build

// Write is write, for tests.
var Write = write

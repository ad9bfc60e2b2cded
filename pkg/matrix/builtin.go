package matrix

import _ "embed"

//go:embed builtin.yaml
var builtinYAML []byte

// Builtin is the small matrix that bh-run measures when it is given none.
func Builtin() (*Matrix, error) { return Parse("built-in matrix", builtinYAML) }

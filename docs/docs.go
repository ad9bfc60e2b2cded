// Package docs holds those documents that a command quotes, so that there is one wording of them.
package docs

import _ "embed" // the documents

// Definitions is definitions.md.
//
//go:embed definitions.md
var Definitions string

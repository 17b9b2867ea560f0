// Package xmlscantest holds what the tests of all readers of XML use to show
// that hostile documents are bounded.
package xmlscantest

import (
	"fmt"
	"runtime"
	"strings"
)

// BillionLaughs returns a document type declaration of entities that multiply:
// &laugh; is two hundred million characters.
func BillionLaughs() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE m [<!ENTITY a0 "ha">`)
	for i := range 7 {
		fmt.Fprintf(&b, `<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	fmt.Fprintf(&b, `<!ENTITY laugh "%s">]>`, strings.Repeat("&a7;", 10))
	return b.String()
}

// Quadratic returns a document type declaration of one long entity, &long;,
// and text that refers to it so often that it is ten billion characters.
func Quadratic() (declaration, text string) {
	const n = 100_000
	return `<!DOCTYPE m [<!ENTITY long "` + strings.Repeat("x", n) + `">]>`, strings.Repeat("&long;", n)
}

// Allocated returns how many bytes the program allocates while f runs.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

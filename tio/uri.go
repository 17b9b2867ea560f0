package tio

import (
	"math"
	"regexp"
	"strconv"
)

// The parts of a reference to a resource, RFC 3986, appendix A.
const (
	uriChar      = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})`
	uriNoColon   = `(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})`
	uriNameChar  = `(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})`
	uriUserChar  = `(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})`
	uriAuthority = `//(?:` + uriUserChar + `*@)?(?:\[[^\]]*\]|` + uriNameChar + `*)(?::([0-9]+))?(?:/` + uriChar + `*)*`
	uriAbsolute  = `/(?:` + uriChar + `+(?:/` + uriChar + `*)*)?`
	uriRest      = `(?:/` + uriChar + `*)*`
)

var uriForm = regexp.MustCompile(`^(?:` +
	`[A-Za-z][A-Za-z0-9+.-]*:(?:` + uriAuthority + `|` + uriAbsolute + `|` + uriChar + `+` + uriRest + `)?|` +
	uriAuthority + `|` + uriAbsolute + `|` + uriNoColon + `+` + uriRest + `)?` +
	`(?:\?(?:` + uriChar + `|[/?])*)?(?:#(?:` + uriChar + `|[][/?])*)?$`)

// isURI tells whether a namespace may have this name: libxml2 refuses those that
// are no reference of RFC 3986. It does not look into IP addresses, and nor does
// this function.
func isURI(name string) bool {
	found := uriForm.FindStringSubmatch(name)
	if found == nil {
		return false
	}
	for _, port := range found[1:] {
		if n, err := strconv.ParseInt(port, 10, 64); port != "" && (err != nil || n > math.MaxInt32) {
			return false
		}
	}
	return true
}

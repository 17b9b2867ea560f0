package slap

// deviation is a row of the section Deviations of the package documentation: what
// this client does otherwise than both generations of the reference's, and why.
type deviation struct {
	name, text string
	// probes are the recorded probes that show it, all of them.
	probes []string
	// proof is a test that shows it, where no probe does.
	proof string
}

var deviations = []deviation{
	{name: "start of a session", probes: []string{
		"timeout=1, answer after 3 s", "getHateoasUrl empty", "getHateoasUrl empty again", "getHateoasUrl 500 is ignored",
	}},
	{name: "character sets", probes: []string{"charset text/html", "charset text/xml"}},
	{name: "instances that are not ready", probes: []string{"request 408"}},
	{name: "getters", probes: []string{"request answered by an old proxy (connection_xml only)", "not ready: getSoftwareRelease"}},
	{name: "null texts", probes: []string{"not ready: getAccessStatus"}},
	{name: "unknown partitions", probes: []string{"not ready: setConnectionDict"}},
	{name: "reports of errors", probes: []string{"error() swallows failures", "SoftwareRelease.error() swallows failures"}},
}

package slap

// deviation is a row of the section Deviations of the package documentation: what
// this client does otherwise than both generations of the reference's.
type deviation struct {
	name string
	// probes are the recorded probes that show it, all of them.
	probes []string
	// proofs are tests that show it.
	proofs []string
}

var deviations = []deviation{
	{name: "start of a session", probes: []string{"timeout=1, answer after 3 s", "getHateoasUrl empty", "getHateoasUrl empty again", "getHateoasUrl 500 is ignored"}},
	{name: "verification", proofs: []string{"TestTLS"}},
	{name: "environment", proofs: []string{"TestNetrcWinsOverTheURL", "TestProxies", "TestRequestJournal"}},
	{name: "repetitions", proofs: []string{"TestRetries"}},
	{name: "redirects", proofs: []string{"TestRedirectToHTTPIsRefused", "TestCredentialsStayAtHome"}},
	{name: "bounds", proofs: []string{"TestHostileMaster", "TestCompressedBomb"}},
	{name: "character sets", probes: []string{"charset text/html", "charset text/xml"}},
	{name: "instances that are not ready", probes: []string{"request 408"}},
	{name: "getters", probes: []string{"request answered by an old proxy (connection_xml only)", "not ready: getSoftwareRelease"}, proofs: []string{"TestSharedResultStandsForTheShare"}},
	{name: "connection parameters as JSON", proofs: []string{"TestConnectionParameterInJSON"}},
	{name: "null texts", probes: []string{"not ready: getAccessStatus"}},
	{name: "unknown partitions", probes: []string{"not ready: setConnectionDict"}, proofs: []string{"TestEmptyIdentifiersNeedNoRequest"}},
	{name: "reports of errors", probes: []string{"error() swallows failures", "SoftwareRelease.error() swallows failures"}},
	{name: "missing arguments", proofs: []string{"TestEmptyIdentifiersNeedNoRequest"}},
	{name: "missing identifiers", proofs: []string{"TestObjectsWithoutIdentity"}},
	{name: "strange arguments", proofs: []string{"TestWhatCannotBeSent"}},
	{name: "other errors", proofs: []string{"TestStatusBecomesError"}},
	{name: "failures of TLS", proofs: []string{"TestTLS"}},
	{name: "certificates of computers", proofs: []string{"TestUnknownComputer"}},
	{name: "information from a partition", proofs: []string{"TestStandAloneMasters"}},
	{name: "searches", proofs: []string{"TestListsOfAnyLength", "TestStandAloneMasters", "TestLinksToStrangers"}},
	{name: "tokens", proofs: []string{"TestStandAloneMasters"}},
	{name: "journal of requests", proofs: []string{"TestRequestJournalStaysInItsPartition"}},
}

package slapgrid_test

import "net/url"

// parseForm reads a form body; what is no form is empty.
func parseForm(body string) map[string]string {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil
	}
	form := map[string]string{}
	for key := range values {
		form[key] = values.Get(key)
	}
	return form
}

// runAgentIfAsked turns the test binary into an agent for tests that kill one.
func runAgentIfAsked() {}

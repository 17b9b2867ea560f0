package slap

// ParameterError tells that a parameter has not the type that a program wants.
// Its text never holds the value, which may be a password.
type ParameterError struct {
	// Key is the parameter; for a value inside it with the way to it, such
	// as "backends[2].port", and starting with "_." for what is inside the
	// JSON of the parameter "_". It is empty if the parameters as a whole are
	// not what is wanted.
	Key string
	// Want is what the program wants, for example "an integer".
	Want string
	// Got is the type of the value, for example "text".
	Got string
	// Err is the cause if there is one: the error of a method of the type
	// wanted. Error leaves it out because it may quote the value.
	Err error
}

// Error tells the parameter, what is wanted and what is there.
func (e *ParameterError) Error() string {
	text := "parameters: want " + e.Want
	if e.Key != "" {
		text = "parameter " + quoteKey(e.Key) + ": want " + e.Want
	}
	if e.Got != "" {
		text += ", got " + e.Got
	}
	return text
}

// Unwrap returns the cause.
func (e *ParameterError) Unwrap() error { return e.Err }

// missingParameter is the error of a parameter that is missing or null.
func missingParameter(key string) error {
	return notFound("parameters", "parameter %s not found", quoteKey(key))
}

package configparser

import (
	"strconv"
	"strings"
)

// Bool reads a truth value by Python's rules: 1, yes, true, on; 0, no, false,
// off; in any case. Besides the errors of Get it may return a *ValueError.
func (f *File) Bool(section, key string) (bool, error) {
	value, err := f.Get(section, key)
	if err != nil {
		return false, err
	}
	switch strings.ToLower(value) {
	case "1", "yes", "true", "on":
		return true, nil
	case "0", "no", "false", "off":
		return false, nil
	}
	return false, f.valueError(section, key, value, "true or false")
}

// Int reads a whole number in decimal notation, such as 12 or -3. Besides the
// errors of Get it may return a *ValueError.
func (f *File) Int(section, key string) (int, error) {
	value, err := f.Get(section, key)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(trim(value))
	if err != nil {
		return 0, f.valueError(section, key, value, "a whole number such as 10")
	}
	return n, nil
}

// Invalid makes the error for a value that the caller cannot use; want says
// what to write instead, as in "a path that begins with /".
func (f *File) Invalid(section, key, want string) error {
	value, err := f.Get(section, key)
	if err != nil {
		return err
	}
	return f.valueError(section, key, value, want)
}

func (f *File) valueError(section, key, value, want string) error {
	return &ValueError{
		File: f.name, Line: f.Line(section, key), Section: section, Key: fold(key), Value: value, Want: want,
	}
}

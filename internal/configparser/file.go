package configparser

import (
	"strings"
)

// defaultSection is the section whose keys are visible in all others.
const defaultSection = "DEFAULT"

// File is a parsed configuration file. It is not changed after it was parsed,
// so that any number of goroutines may read it.
type File struct {
	name        string
	interpolate bool
	order       []string // sections as they occur, without DEFAULT
	sections    map[string]*section
	defaults    *section
}

// section holds the raw values of one section.
type section struct {
	order   []string
	options map[string]option
}

type option struct {
	value string
	line  int
}

func newSection() *section { return &section{options: make(map[string]option)} }

// Item is a key with its value.
type Item struct {
	Key   string
	Value string
}

// Name is what was given to Parse as the name of the file.
func (f *File) Name() string { return f.name }

// Sections lists the sections as they occur, without DEFAULT.
func (f *File) Sections() []string { return append([]string(nil), f.order...) }

// HasSection tells whether the section exists. DEFAULT does not count.
func (f *File) HasSection(name string) bool {
	_, ok := f.sections[name]
	return ok
}

// Has tells whether the key is set in the section or in DEFAULT.
func (f *File) Has(section, key string) bool {
	_, err := f.lookup(section, key)
	return err == nil
}

// Get returns the value of a key, with its references replaced unless the file
// was parsed raw. Errors: *NoSectionError, *NoOptionError, *InterpolationError.
func (f *File) Get(section, key string) (string, error) {
	o, err := f.lookup(section, key)
	if err != nil || !f.interpolate {
		return o.value, err
	}
	return f.expand(section, fold(key), o.value)
}

// GetRaw returns the value of a key as it is written. Errors: *NoSectionError,
// *NoOptionError.
func (f *File) GetRaw(section, key string) (string, error) {
	o, err := f.lookup(section, key)
	return o.value, err
}

// Line returns the line of the file at which the key is set, counted from 1,
// or 0 if it is not.
func (f *File) Line(section, key string) int {
	o, err := f.lookup(section, key)
	if err != nil {
		return 0
	}
	return o.line
}

// Keys lists the keys of a section: those of DEFAULT first, then the others as
// they occur. The error is a *NoSectionError.
func (f *File) Keys(section string) ([]string, error) {
	s, err := f.section(section)
	if err != nil {
		return nil, err
	}
	keys := append([]string(nil), f.defaults.order...)
	if s == f.defaults {
		return keys, nil
	}
	for _, key := range s.order {
		if _, ok := f.defaults.options[key]; !ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// Items returns the keys of a section, as Keys orders them, with their values,
// as Get returns them. The first error of either ends it.
func (f *File) Items(section string) ([]Item, error) {
	keys, err := f.Keys(section)
	if err != nil {
		return nil, err
	}
	items := make([]Item, 0, len(keys))
	for _, key := range keys {
		value, err := f.Get(section, key)
		if err != nil {
			return nil, err
		}
		items = append(items, Item{Key: key, Value: value})
	}
	return items, nil
}

func (f *File) section(name string) (*section, error) {
	if name == defaultSection {
		return f.defaults, nil
	}
	s, ok := f.sections[name]
	if !ok {
		return nil, &NoSectionError{File: f.name, Section: name}
	}
	return s, nil
}

func (f *File) lookup(section, key string) (option, error) {
	s, err := f.section(section)
	if err != nil {
		return option{}, err
	}
	key = fold(key)
	if o, ok := s.options[key]; ok {
		return o, nil
	}
	if o, ok := f.defaults.options[key]; ok {
		return o, nil
	}
	return option{}, &NoOptionError{File: f.name, Section: section, Key: key}
}

// fold is how keys are compared.
func fold(key string) string { return strings.ToLower(key) }

// Package slap is the client of a SlapOS master.
package slap

// Package sandbox gives a test of whole programs a directory, an unprivileged
// account to run them as, and the certainty that its end leaves neither files nor
// processes behind, even if it is killed. It needs Linux.
package sandbox

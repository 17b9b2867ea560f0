// Package archtest guards decisions that no compiler checks: which package may
// import which, what the light packages depend on, package comments, and what the
// repository holds. It has no code of its own.
package archtest

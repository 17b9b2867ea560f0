// Package argnorm rewrites the command lines that the documentation of SlapOS
// shows into ones that cobra and pflag understand.
//
// The documented lines use habits that pflag has not: global options anywhere,
// options that take several words (--parameters a=1 b=2), unambiguous prefixes
// (--para a=1), several spellings of one option (--log-file, --logfile,
// --log_file), and options that end the line of the command but belong to what
// it launches (node supervisorctl tail -f x). A [Grammar] knows which options
// and commands exist and turns such a line into canonical words, in three
// stages that can be used one by one:
//
//   - [Grammar.Globals] takes the global options out of the whole line,
//   - [Grammar.Find] recognises the command by its one or two words,
//   - [Command.Normalise] rewrites the rest.
//
// Values are not converted and nothing is looked up: that is left to pflag. The
// errors are of three types, [UsageError], [InvalidOptionError] and
// [UnknownCommandError], because their exit statuses and texts differ.
package argnorm

# Texts that contain a credential themselves, instead of naming where it is stored.
package stategate.lib.credentials

# A URL with a password: scheme://user:password@host.
embedded(text) if {
	contains(text, "@")
	some i, part in split(text, "://")
	i > 0
	authority := split(part, "/")[0]
	contains(authority, "@")
	user := split(split(authority, "@")[0], ":")
	own(user[1])
}

# A connection string or a script: … password=…
embedded(text) if {
	small := lower(text)
	some mark in ["password=", "accountkey=", "sharedaccesskey="]
	some i, part in split(small, mark)
	i > 0
	own(first_word(part))
}

# password='…', also where a shell's script escapes the quotes
first_word(text) := value if {
	bare := trim_left(text, `\`)
	quote := substring(bare, 0, 1)
	quote in {`"`, "'"}
	value := trim_right(split(bare, quote)[1], `\`)
	not regex.match(`\s`, value)
} else := split(split(split(split(text, " ")[0], "&")[0], ";")[0], "\n")[0]

# A word that is the credential itself: not $(VARIABLE) or ${VARIABLE}, a placeholder, a file or a switch.
own(quoted) if {
	word := trim(quoted, `"'`)
	word != ""
	not contains(word, "$")
	not startswith(word, "<")
	not startswith(word, "{{")
	not startswith(word, "/")
	not startswith(word, "-")
	not switch(word)
	not published(word)
}

# A placeholder that a tool fills in before the manifest is applied.
placeholder(text) if regex.match(`^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|<[^<>]*>|\{\{.*\}\})$`, text)

# As in your-secret-key and REPLACEME: somebody writes it in, or forgets to.
to_be_written(text) if {
	regex.match(`(?i)^your([-_ ][a-z]+)*[-_ ](id|key|secret|password|passphrase|token|credentials|here)$`, text)
}

to_be_written(text) if regex.match(`(?i)^replace[-_ ]?(me|this|with|by)([-_ ][a-z]+)*$`, text)

# Whatever takes its place, it is none that somebody keeps to himself.
unwritten(text) if to_be_written(text)

unwritten(text) if regex.match(`(?i)^(please[-_ ]?)?change[-_ ]?(me|this)([-_ ][a-z]+)*[.!]*$`, text)

# What clients that insist on a key are given for a service that asks for none, such as a model that runs locally.
dummy_key(text) if {
	count(text) < 40
	regex.match(dummy, text)
}

dummy := concat("", [
	`(?i)^(sk[-_])?(no|not|none|dummy|fake|unused|ollama|lm-studio|placeholder|empty|n/?a|required)`,
	`([-_ ](api|key|needed|required|used))*$`,
])

# A word with digits is none, such as <<hunter2>>.
placeholder(text) if {
	regex.match(`^(<<[^<>]*>>|<<<[^<>]*>>>)$`, text)
	not regex.match(`^<+[a-z]*[0-9][a-z0-9]*>+$`, text)
}

# Constants that their makers publish, and that are the same for everybody: the names of Stellar's networks, the key of
# Azure's storage emulator, and the keys with which reCAPTCHA and Turnstile are tested.
published(text) if {
	some part, pattern in constants
	contains(text, part)
	regex.match(pattern, text)
}

# By a part of each, which is looked for first.
constants := {
	" Network ; ": `^[A-Za-z ]+ Network ; [A-Z][a-z]+ [0-9]{4}$`,
	"Eby8vdM02xNO": `^Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==$`,
	"6LeIxAcTAAAAA": `^6LeIxAcTAAAAA(GG-vFI1TnRWxMZNFuojJ4WifJWe|JcZVRqyHh71UMIEGNQ_MXjiZKhI)$`,
	"x00000000": `^[123]x0000000000000000000000000000000AA$`,
}

switch(word) if lower(word) in {"true", "false", "yes", "no", "on", "off", "1", "0"}

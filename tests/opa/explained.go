package main

// leastTaken is how many of OPA's cases the compiler takes. If it takes fewer, it has lost something, or the cases are
// not read as they were.
const leastTaken = 797

// explained are OPA's own cases, by the reason, to which regorus' interpreter has another answer than OPA. There, the
// compiled form has to answer as the interpreter does.
var explained = map[string][]string{
	"`key, value in set`: regorus' sets have no keys": {
		"aggregates/member check set with with both key and value",
	},
	"a glob like `{**/,}x`: globset does not take `**` inside braces": {
		"globmatch/empty pattern alternative",
	},
	"numbers beyond a double: regorus does not read them from a text": {
		"jsonbuiltins/unmarshal number with large exponent within limits",
	},
	"`is_valid` of what is no text: it is an error for regorus, and false for OPA": {
		"jsonbuiltins/json is_valid not string",
		"semverisvalid/invalid type",
	},
	"`strings.replace_n`: regorus replaces one after the other, also in what it has put in": {
		"replacen/semantics/no chained replacements",
		"replacen/semantics/overlapping keys",
		"replacen/semantics/replaced output is not re-scanned",
		"replacen/semantics/shorter key sorted first wins",
	},
	"`sprintf(\"%f\")`: regorus writes a whole number without its zeros": {
		"sprintf/float/exponent",
	},
	"`object.subset` of an array in a set: it is an error for OPA, and false for regorus": {
		"subset/array and set 1",
		"subset/array and set 2",
	},
	"`import future.keywords.not`: regorus ignores the import, and the checks of policies refuse it": {
		"negation/not-body: explicit body",
	},
}

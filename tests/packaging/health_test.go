package packaging

import (
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

const (
	config = "../../deploy/packaging/argocd/health.yaml"
	prefix = "resource.customizations.health.stategate.io_"
)

// asLua makes a Lua value of a decoded document.
func asLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range value {
			table.RawSetString(key, asLua(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(asLua(state, item))
		}
		return table
	case string:
		return lua.LString(value)
	case float64:
		return lua.LNumber(value)
	case bool:
		return lua.LBool(value)
	default:
		return lua.LNil
	}
}

// assess runs a health check in the interpreter that Argo CD embeds, with the libraries that it opens for it.
func assess(t *testing.T, script string, object any) (string, string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	state.SetGlobal("obj", asLua(state, object))
	if err := state.DoString(script); err != nil {
		t.Fatalf("the script fails: %v", err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %v, not a table", state.Get(-1))
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestHealthFollowsTheCondition(t *testing.T) {
	var patch struct {
		Data map[string]string `json:"data"`
	}
	read(t, config, &patch)
	var samples []struct {
		Health string         `json:"health"`
		Says   string         `json:"says"`
		Kinds  []string       `json:"kinds"`
		Object map[string]any `json:"object"`
	}
	read(t, "health.yaml", &samples)
	seen := map[string]bool{}
	for _, sample := range samples {
		for _, kind := range sample.Kinds {
			script, ok := patch.Data[prefix+kind]
			if !ok {
				t.Fatalf("%s has no health check of a %s", config, kind)
			}
			seen[prefix+kind] = true
			sample.Object["kind"] = kind
			health, message := assess(t, script, sample.Object)
			if health != sample.Health || !strings.Contains(message, sample.Says) {
				t.Errorf("%v is %s: %s; expected %s: %s", sample.Object, health, message, sample.Health, sample.Says)
			}
		}
	}
	for key := range patch.Data {
		if !seen[key] {
			t.Errorf("no sample is for %s", key)
		}
	}
}

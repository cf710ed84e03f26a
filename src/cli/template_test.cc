#include "cli/template.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

const char* const document = R"({
  "Id": "abc", "Name": "/web", "Args": ["a", "b"], "Count": 3, "Zero": 0, "Size": 2.5,
  "State": {"Running": true, "ExitCode": 0, "Pid": 42},
  "Config": {"Labels": {"com.example.tier": "front", "b": "2"}, "Env": null},
  "HostConfig": {"Binds": null, "PidsLimit": null},
  "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}}})";

std::string run(std::string_view text, bool docker_members = true) {
    const json::Value data = json::parse(document);
    TemplateScope scope;
    scope.docker_members = docker_members;
    try {
        return Template(text).execute(data, scope);
    } catch (const Error& error) {
        return "ERROR " + error.message();
    }
}

TEST(Template, PrintsWhatGoPrints) {
    struct {
        std::string_view text, output;
    } const cases[] = {
        {"plain", "plain"},
        {"{{.Id}}", "abc"},
        {"{{.State.Running}} {{.State.Pid}}", "true 42"},
        {"{{.Args}}", "[a b]"},
        {"{{.State}}", "{true 0 42}"},
        {"{{.Config.Labels}}", "map[b:2 com.example.tier:front]"},
        {"{{.NetworkSettings.Ports}}", "map[80/tcp:[{0.0.0.0 8080}]]"},
        {"{{.HostConfig.Binds}}{{.HostConfig.PidsLimit}}", "[]<nil>"},
        {"{{json .Config.Labels}}", R"({"com.example.tier":"front","b":"2"})"},
        {"{{.Config.Labels | json}}", R"({"com.example.tier":"front","b":"2"})"},
        {"{{json .HostConfig.Binds}}", "null"},
        {"{{index .Args 1}}", "b"},
        {"{{index .Config.Labels \"com.example.tier\"}}", "front"},
        {"{{index .Config.Labels \"missing\"}}|", "|"},
        {"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080"},
        {"{{range .Args}}<{{.}}>{{end}}", "<a><b>"},
        {"{{range $i, $a := .Args}}{{$i}}={{$a}} {{end}}", "0=a 1=b "},
        {"{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}};{{end}}", "b:2;com.example.tier:front;"},
        {"{{range .HostConfig.Binds}}x{{else}}none{{end}}", "none"},
        {"{{if .State.Running}}up{{else}}down{{end}}", "up"},
        {"{{if .Zero}}a{{else if .Count}}b{{else}}c{{end}}", "b"},
        {"{{if and .State.Running (eq .Count 3)}}yes{{end}}", "yes"},
        {"{{if or .Zero (not .State.Running)}}yes{{else}}no{{end}}", "no"},
        {"{{with .State}}{{.Pid}} {{$.Id}}{{end}}", "42 abc"},
        {"{{with .Zero}}x{{else}}zero{{end}}", "zero"},
        {"{{if .State.Health}}h{{else}}no health{{end}}", "no health"},
        {"{{$x := .Id}}{{$x}}{{$x = .Name}}{{$x}}", "abc/web"},
        {"{{println .Id}}", "abc\n"},
        {"{{print .Count .Zero .Id}}", "3 0abc"},
        {"{{printf \"%-5s|%5d|%q|%v\" .Id .Count .Name .Args}}", "abc  |    3|\"/web\"|[a b]"},
        {"{{join .Args \"-\"}} {{join (split \"a,b\" \",\") \"+\"}}", "a-b a+b"},
        {"{{upper .Id}} {{lower \"AB\"}} {{title \"the end\"}}", "ABC ab The End"},
        {"{{len .Args}} {{len .Name}}", "2 4"},
        {"{{slice .Id 1}} {{slice .Id 0 2}} {{index (slice .Args 1) 0}}", "bc ab b"},
        {"{{pad .Id 1 2}}|{{truncate .Id 2}}", " abc  |ab"},
        {"{{eq .Id \"x\" \"abc\"}} {{ne .Count 3}} {{lt 1 2}} {{ge \"b\" \"a\"}}",
         "true false true true"},
        {"a {{- .Id -}} b", "aabcb"},
        {"{{/* nothing */}}x", "x"},
        {"{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .Id}}", "[abc]"},
        {"{{range .Args}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"},
        {"{{range .Args}}{{if eq . \"a\"}}{{continue}}{{end}}{{.}}{{end}}", "b"},
        {"{{.Size}} {{`raw \\n`}} {{'a'}}", "2.5 raw \\n 97"},
        {"{{.Id | printf \"%s-%s\" \"x\"}}", "x-abc"},
        {"{{printf \"%d\" .Id}}", "%!d(string=abc)"},
        {"{{printf \"%[2]s %[1]s %%\" \"a\" \"b\"}}", "b a %"},
        {"{{printf \"%U %b %c %03d %+d %x\" 65 5 228 7 5 \"hi\"}}", "U+0041 101 ä 007 +5 6869"},
        {"{{printf \"%s\"}} {{printf \"x\" 1}}", "%!s(MISSING) x%!(EXTRA int=1)"},
        {"{{html \"<a>\"}} {{js \"it's\"}} {{urlquery \"a b&c\"}}", "&lt;a&gt; it\\'s a+b%26c"},
        {"{{.ID}} {{.State.PID}}", "abc 42"},  // Docker's structs spell these so
        {"{{.Config.Labels.b}} {{.Config.Labels.missing}}", "2 <no value>"},
        {"{{with .Zero}}a{{else with .Id}}{{.}}{{end}}", "abc"},
        {"{{range 3}}{{.}}{{end}}", "012"},
    };
    for (const auto& [text, output] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(run(text), output);
    }
}

TEST(Template, ProblemsReadLikeGos) {
    struct {
        std::string_view text, problem;
    } const cases[] = {
        {"{{.Foo}}", R"(template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo")"},
        {"{{.State.Foo}}",
         R"(template: :1:8: executing "" at <.State.Foo>: map has no entry for key "Foo")"},
        {"{{.Foo", "template: :1: unclosed action"},
        {"{{foo}}", R"(template: :1: function "foo" not defined)"},
        {"{{if .Id}}x", "template: :1: unexpected EOF"},
        {"{{end}}", "template: :1: unexpected {{end}}"},
        {"{{$x}}", R"(template: :1: undefined variable "$x")"},
        {"{{index .Args 9}}",
         R"(template: :1:2: executing "" at <index .Args 9>: error calling index: index out of range: 9)"},
        {"{{.Id.Foo}}",
         R"(template: :1:5: executing "" at <.Id.Foo>: can't evaluate field Foo in type interface {})"},
        {"{{\"abc}}", "template: :1: unterminated quoted string"},
        {"{{}}", "template: :1: missing value for command"},
        {"{{nil}}", R"(template: :1:2: executing "" at <nil>: nil is not a command)"},
        {"{{len 3}}",
         R"(template: :1:2: executing "" at <len 3>: error calling len: len of type int)"},
        {"{{eq \"a\" 1}}",
         R"(template: :1:2: executing "" at <eq "a" 1>: error calling eq: incompatible types for comparison)"},
    };
    for (const auto& [text, problem] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(run(text), "ERROR " + std::string(problem));
    }
}

TEST(Template, RowsAreStructsWithMethods) {
    TemplateScope scope;
    scope.type_name = "*formatter.ContainerContext";
    scope.method = [](std::string_view name,
                      std::span<const json::Value* const> arguments) -> std::optional<json::Value> {
        if (name != "Label" || arguments.size() != 1) return std::nullopt;
        return json::Value("<" + arguments[0]->as_string() + ">");
    };
    const json::Value row = json::Object{{"ID", "1"}};
    EXPECT_EQ(Template("{{.ID}} {{.Label \"x\"}}").execute(row, scope), "1 <x>");
    try {
        Template("{{.Foo}}").execute(row, scope);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.message(),
                  "template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type "
                  "*formatter.ContainerContext");
    }
}

}  // namespace
}  // namespace hull::cli

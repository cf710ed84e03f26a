#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "compose/definitions.hh"
#include "compose/docker_hash.hh"
#include "compose/explain.hh"
#include "compose/hash.hh"
#include "compose/merge.hh"
#include "compose/normalise.hh"
#include "compose/project.hh"
#include "compose/values.hh"
#include "compose/yaml_reader.hh"
#include "compose/yaml_writer.hh"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace hull::compose {
namespace {

std::string error_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.message();
    }
    return "";
}

/// A directory of Compose files that goes away with the test.
class Directory {
public:
    Directory() {
        char path[] = "/tmp/hull-compose-XXXXXX";
        path_ = ::mkdtemp(path);
    }
    ~Directory() {
        Process::spawn(
            {.arguments = {"/bin/rm", "-rf", path_}, .environment = {}, .descriptors = {}})
            .wait();
    }
    void write(const std::string& name, std::string_view text) const {
        const std::string path = join(path_, name);
        ::mkdir(parent_directory(path).c_str(), 0755);
        write_file(path, text);
    }
    const std::string& path() const { return path_; }
    LoadOptions options() const {
        LoadOptions options;
        options.working_directory = path_;
        options.project_name = "demo";
        return options;
    }
    Project load() const { return load_project(options()); }

private:
    std::string path_;
};

Project load_text(std::string_view text) {
    const Directory directory;
    directory.write("compose.yaml", text);
    return directory.load();
}

std::string interpolated(std::string_view text) {
    const Environment environment{
        {"A", {"1", "test"}}, {"EMPTY", {"", "test"}}, {"B", {"two", "test"}}};
    Interpolation seen;
    return interpolate_text(text, environment, seen);
}

TEST(Yaml, ScalarsAreWhatGoMakesOfThem) {
    const Node root = read_yaml(
                          "a: 010\nb: 0x1F\nc: yes\nd: true\ne: ~\nf: 1e3\ng: '12'\nh: 1_000\ni: "
                          "2001-01-01\nj: .5\n",
                          "t")
                          .at(0);
    EXPECT_EQ(root["a"].integer, 8);
    EXPECT_EQ(root["b"].integer, 31);
    EXPECT_EQ(root["c"].text, "yes");
    EXPECT_TRUE(root["d"].is_true());
    EXPECT_TRUE(root["e"].is_null());
    EXPECT_EQ(root["f"].to_text(), "1000");
    EXPECT_TRUE(root["g"].is_string());
    EXPECT_EQ(root["h"].integer, 1000);
    EXPECT_TRUE(root["i"].is_string());
    EXPECT_EQ(root["j"].real, 0.5);
}

TEST(Yaml, EveryValueHasItsPlace) {
    const Node root = read_yaml("a:\n  - b: [1, 2]\n", "f.yaml").at(0);
    EXPECT_EQ(to_string(root["a"].items[0]["b"].items[1].place), "f.yaml:2:12");
}

TEST(Yaml, AliasesAndMergeKeysAreResolved) {
    const Node root =
        read_yaml("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [{a: 5}, *x]}\n", "t").at(0);
    EXPECT_EQ(root["y"]["a"].integer, 1);
    EXPECT_EQ(root["y"]["b"].integer, 3);
    EXPECT_EQ(root["z"]["a"].integer, 5);
    EXPECT_EQ(root["z"]["b"].integer, 2);
}

TEST(Yaml, BombsDuplicatesAndSelfReferencesAreRefused) {
    std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 10; ++i) {
        const std::string last = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
        for (int j = 0; j < 9; ++j) bomb += "," + last;
        bomb += "]\n";
    }
    EXPECT_NE(error_of([&] { read_yaml(bomb, "t"); }).find("aliases multiply"), std::string::npos);
    EXPECT_EQ(error_of([&] { read_yaml("a: 1\nb: 2\na: 3\n", "t"); }),
              "t:3:1: mapping key \"a\" already defined at line 1");
    EXPECT_NE(error_of([&] { read_yaml("a: &a [*a]\n", "t"); }).find("contains itself"),
              std::string::npos);
    EXPECT_NE(error_of([&] { read_yaml(std::string(5000, '['), "t"); }), "");
}

TEST(Yaml, WhatIsWrittenReadsBackTheSame) {
    for (const char* text : {"plain",
                             "yes",
                             "12",
                             "1.5",
                             "",
                             " space",
                             "a: b",
                             "a #b",
                             "- x",
                             "'q'",
                             "\"d\"",
                             "line\nbreak",
                             "line\nbreak\n",
                             "tab\t",
                             "null",
                             "0x1",
                             "*a",
                             "&a",
                             "!t",
                             "|",
                             "a:",
                             "22:22",
                             "é",
                             "\x1b[0m",
                             "@x",
                             "~",
                             "[",
                             "{}",
                             "true",
                             "%a",
                             "a\n\nb\n\n",
                             "  lead\nx"}) {
        SCOPED_TRACE(text);
        Node root = Node::mapping();
        root.set("k", Node::string(text));
        root.get("list").kind = Kind::sequence;
        root.find("list")->items.push_back(Node::string(text));
        const std::vector<Node> again = read_yaml(write_yaml(root), "t");
        ASSERT_EQ(again.size(), 1U);
        EXPECT_TRUE(same_value(again[0], root)) << write_yaml(root);
    }
}

TEST(Interpolation, EveryFormMeansWhatTheSpecSays) {
    const struct {
        std::string_view text, result;
    } cases[] = {
        {"$A", "1"},         {"${A}", "1"},       {"x$A-y", "x1-y"},        {"$$A", "$A"},
        {"${N:-d}", "d"},    {"${N-d}", "d"},     {"${EMPTY:-d}", "d"},     {"${EMPTY-d}", ""},
        {"${A:+r}", "r"},    {"${A+r}", "r"},     {"${N:+r}", ""},          {"${EMPTY:+r}", ""},
        {"${EMPTY+r}", "r"}, {"${N:-${A}}", "1"}, {"${N:-${M:-x}}", "x"},   {"${A:?e}", "1"},
        {"${N}", ""},        {"$N", ""},          {"${N:-a:b-c}", "a:b-c"}, {"${A:+${B}x}", "twox"},
        {"${N:-$$x}", "$x"}, {"a$$$A", "a$1"},
    };
    for (const auto& [text, result] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(interpolated(text), result);
    }
}

TEST(Interpolation, WhatIsNoVariableIsRefused) {
    for (const char* text :
         {"${", "${}", "$", "a$", "${A", "${A!b}", "${1}", "$1", "${A:}", "${ A}", "${A:-${B}"})
        EXPECT_NE(error_of([&] { interpolated(text); }).find("invalid interpolation format"),
                  std::string::npos)
            << text;
    EXPECT_EQ(error_of([&] { interpolated("${N:?give one}"); }),
              "required variable N is missing a value: give one");
    EXPECT_EQ(error_of([&] { interpolated("${EMPTY:?}"); }),
              "required variable EMPTY is missing a value");
}

TEST(EnvFile, LinesWithoutANameAreRefused) {
    for (const char* text : {"=3\n", " =3\n", "A=1\n =\n"})
        EXPECT_NE(error_of([&] { parse_raw_env_file(text, "f"); }).find("no variable name"),
                  std::string::npos)
            << text;
    for (const char* text : {"=3\n", " : 3\n", "export ", "export =1\n"})
        EXPECT_NE(error_of([&] {
                      parse_env_file(text, "f", [](std::string_view) { return std::nullopt; });
                  }).find("in variable name"),
                  std::string::npos)
            << text;
}

TEST(EnvFile, QuotesCommentsExportAndReferences) {
    const Environment outer{{"OUT", {"o", "test"}}};
    const auto lines = parse_env_file(
        "# c\nexport A=1\nB=two words # c\nC='$A #x'\nD=\"a\\n${A}\"\nE=${OUT}-${N:-n}\nF: "
        "colon\nG=\nH=\"x\ny\"\nI=a#b\nOUT\n",
        "t.env", lookup_in(outer));
    std::map<std::string, std::string> values;
    for (const EnvironmentLine& line : lines) values[line.name] = line.value.value_or("<none>");
    EXPECT_EQ(values["A"], "1");
    EXPECT_EQ(values["B"], "two words");
    EXPECT_EQ(values["C"], "$A #x");
    EXPECT_EQ(values["D"], "a\n1");
    EXPECT_EQ(values["E"], "o-n");
    EXPECT_EQ(values["F"], "colon");
    EXPECT_EQ(values["G"], "");
    EXPECT_EQ(values["H"], "x\ny");
    EXPECT_EQ(values["I"], "a#b");
    EXPECT_EQ(values["OUT"], "o");
    EXPECT_EQ(error_of([&] {
                  parse_env_file("A=1\nB='x\n", "t.env", lookup_in(outer));
              }).find("t.env:2: unterminated"),
              0U);
    EXPECT_EQ(error_of([&] { parse_env_file("\n =x", "t.env", lookup_in(outer)); }),
              "t.env:2: unexpected character \"=\" in variable name");
}

TEST(Values, SizesAndDurations) {
    EXPECT_EQ(parse_size("512m"), 536870912);
    EXPECT_EQ(parse_size("1.5gb"), 1610612736);
    EXPECT_EQ(parse_size("10 KiB"), 10240);
    EXPECT_EQ(parse_size("x"), std::nullopt);
    EXPECT_EQ(parse_size("1mm"), std::nullopt);
    EXPECT_EQ(parse_duration("1m30s"), 90'000'000'000);
    EXPECT_EQ(parse_duration("1.5h"), 5400'000'000'000);
    EXPECT_EQ(parse_duration("10"), std::nullopt);
    EXPECT_EQ(format_duration(90'000'000'000), "1m30s");
    EXPECT_EQ(format_duration(5400'000'000'000), "1h30m0s");
    EXPECT_EQ(format_duration(1'500'000), "1.5ms");
    EXPECT_EQ(*split_command("sh -c \"a 'b' $x\" 'c d' e\\ f"),
              (std::vector<std::string>{"sh", "-c", "a 'b' $x", "c d", "e f"}));
    EXPECT_EQ(split_command("a 'b"), std::nullopt);
}

TEST(Merge, ListsMappingsAndTags) {
    const Directory directory;
    directory.write("compose.yaml", R"(
services:
  web:
    image: a
    command: one
    ports: ["80:80", "81:81"]
    environment: {A: 1, B: 2}
    volumes: ["./x:/data", "v:/v"]
    cap_add: [NET_ADMIN]
    labels: [a=b]
    dns: 1.1.1.1
    logging: {driver: json-file, options: {max-size: 1m}}
volumes: {v: }
)");
    directory.write("compose.override.yaml", R"(
services:
  web:
    command: two
    ports: ["80:80", "82:82"]
    environment: ["B=3", "C=4"]
    volumes: ["./y:/data:ro"]
    cap_add: [NET_ADMIN, SYS_TIME]
    labels: !reset null
    dns: !override [2.2.2.2]
    logging: {driver: local}
)");
    const Project project = directory.load();
    const Node& web = project.get_service("web");
    EXPECT_EQ(web["command"].to_texts(), std::vector<std::string>{"two"});
    EXPECT_EQ(web["ports"].items.size(), 3U);
    EXPECT_EQ(json::dump(to_sorted_json(web["environment"])), R"({"A":"1","B":"3","C":"4"})");
    EXPECT_EQ(web["volumes"].items.size(), 2U);
    EXPECT_EQ(web["volumes"].items[0]["source"].text, directory.path() + "/y");
    EXPECT_TRUE(web["volumes"].items[0]["read_only"].is_true());
    EXPECT_EQ(web["cap_add"].to_texts(), (std::vector<std::string>{"NET_ADMIN", "SYS_TIME"}));
    EXPECT_EQ(web.find("labels"), nullptr);
    EXPECT_EQ(web["dns"].to_texts(), std::vector<std::string>{"2.2.2.2"});
    EXPECT_EQ(web["logging"].find("options"), nullptr);
}

TEST(Extends, OtherFilesAreRelativeToThemselvesAndCyclesEnd) {
    const Directory directory;
    directory.write(
        "compose.yaml",
        "services:\n  web: {extends: {file: sub/base.yaml, service: app}, environment: {B: 2}}\n");
    directory.write("sub/base.yaml",
                    "services:\n  app: {extends: root, volumes: [\"./d:/d\"], environment: {A: "
                    "1}}\n  root: {image: busybox}\n");
    const Project project = directory.load();
    const Node& web = project.get_service("web");
    EXPECT_EQ(web["image"].text, "busybox");
    EXPECT_EQ(web["volumes"].items[0]["source"].text, directory.path() + "/sub/d");
    EXPECT_EQ(web["environment"].members.size(), 2U);
    EXPECT_NE(
        error_of([] {
            load_text("services:\n  a: {image: x, extends: b}\n  b: {image: x, extends: a}\n");
        }).find("circular reference"),
        std::string::npos);
}

TEST(Include, ResourcesAreImportedAndConflictsAreNamed) {
    const Directory directory;
    directory.write("compose.yaml",
                    "include: [sub/compose.yaml]\nservices: {web: {image: a, depends_on: [db]}}\n");
    directory.write("sub/compose.yaml",
                    "services: {db: {image: \"x:${TAG}\", build: ., volumes: "
                    "[\"data:/d\"]}}\nvolumes: {data: }\n");
    directory.write("sub/.env", "TAG=7\n");
    const Project project = directory.load();
    EXPECT_EQ(project.get_service("db")["image"].text, "x:7");
    EXPECT_EQ(project.get_service("db")["build"]["context"].text, directory.path() + "/sub");
    EXPECT_EQ(project.root["volumes"]["data"]["name"].text, "demo_data");
    directory.write("compose.yaml",
                    "include: [sub/compose.yaml]\nservices: {db: {image: other}}\n");
    EXPECT_NE(error_of([&] {
                  directory.load();
              }).find("services.db conflicts with imported resource (sub/compose.yaml:1:12)"),
              std::string::npos);
    directory.write("sub/compose.yaml", "include: [compose.yaml]\n");
    EXPECT_NE(error_of([&] { directory.load(); }).find("include cycle"), std::string::npos);
}

TEST(Profiles, ServicesOfOthersAreAside) {
    const Directory directory;
    directory.write("compose.yaml",
                    "services:\n  a: {image: x}\n  b: {image: x, profiles: [debug]}\n");
    EXPECT_EQ(directory.load().service_names(), std::vector<std::string>{"a"});
    LoadOptions options = directory.options();
    options.profiles = {"debug"};
    EXPECT_EQ(load_project(options).service_names(), (std::vector<std::string>{"a", "b"}));
    options.profiles = {"*"};
    EXPECT_EQ(load_project(options).service_names(), (std::vector<std::string>{"a", "b"}));
    Project project = directory.load();
    select_services(project, {"b"}, true);
    EXPECT_EQ(project.service_names(), std::vector<std::string>{"b"});
}

TEST(Project, NamesVariablesAndFiles) {
    const Directory directory;
    directory.write("docker-compose.yml",
                    "name: from-${WHO:-file}\nservices: {a: {image: \"x:$TAG\"}}\n");
    directory.write(".env", "TAG=1\nWHO=env\n");
    LoadOptions options = directory.options();
    options.project_name = "";
    Project project = load_project(options);
    EXPECT_EQ(project.name, "from-env");
    EXPECT_EQ(project.get_service("a")["image"].text, "x:1");
    ::setenv("TAG", "shell", 1);
    EXPECT_EQ(load_project(options).get_service("a")["image"].text, "x:shell");
    ::unsetenv("TAG");
    directory.write("sub/x", "");
    options.working_directory = directory.path() + "/sub";
    EXPECT_EQ(load_project(options).directory, directory.path());
    options.project_name = "Bad Name";
    EXPECT_NE(error_of([&] { load_project(options); }).find("invalid project name \"Bad Name\""),
              std::string::npos);
}

TEST(Hash, OrderAndWhatDoesNotTouchContainersDoNotCount) {
    const auto hash_of = [](std::string_view text) {
        const Project project = load_text(text);
        return docker_service_hash(project.get_service("a"));
    };
    const std::string first =
        hash_of("services: {a: {image: x, labels: {a: 1, b: 2}, ports: [\"80:80\"]}}");
    const std::string second = hash_of(
        "services: {a: {ports: [\"80:80/tcp\"], labels: [b=2, a=1], image: x, scale: 3, "
        "build: {context: /x}, profiles: []}}");
    EXPECT_EQ(first, second);
    const Node before = container_config(
        load_text("services: {a: {image: x, ports: [\"80:80\"]}}").get_service("a"));
    const Node after = container_config(
        load_text("services: {a: {image: x, ports: [\"81:80\"], tty: true}}").get_service("a"));
    EXPECT_EQ(differences(before, after),
              (std::vector<std::string>{"ports[0].published: 80→81", "tty: none→true"}));
    EXPECT_TRUE(differences(from_json(json::parse(json::dump(to_json(after)))), after).empty());
}

TEST(Hash, DefinitionsOfWhatAServiceUsesCount) {
    const auto config_of = [](std::string_view more) {
        const Project project = load_text(
            "services: {a: {image: x, networks: [n], secrets: [s], configs: [c], volumes: "
            "[\"v:/v\"]}}\n" +
            std::string(more));
        return full_config(project, project.get_service("a"));
    };
    const std::string rest = "secrets: {s: {file: /s}}\nvolumes: {v: {}}\n";
    const Node before = config_of("networks: {n: {}}\nconfigs: {c: {content: one}}\n" + rest);
    EXPECT_TRUE(
        differences(before, config_of("networks: {n: }\nconfigs: {c: {content: one}}\n" + rest))
            .empty());
    EXPECT_EQ(differences(before, config_of("networks: {n: {internal: true}}\nconfigs: {c: "
                                            "{content: one}}\n" +
                                            rest)),
              std::vector<std::string>{"top-level networks.n.internal: none→true"});
    const std::vector<std::string> changed = differences(
        before, config_of("networks: {n: {}}\nconfigs: {c: {content: two}}\nsecrets: {s: {file: "
                          "/t}}\nvolumes: {v: {labels: {a: b}}}\n"));
    ASSERT_EQ(changed.size(), 2U);
    EXPECT_EQ(changed[0], "top-level secrets.s.file: /s→/t");
    EXPECT_TRUE(changed[1].starts_with("top-level configs.c.content: sha256:")) << changed[1];
    // Containers made before definitions counted are not recreated for that.
    Node old = before;
    for (const char* section : {"networks", "volumes", "secrets", "configs"})
        old.erase(std::string("top-level ") + section);
    EXPECT_EQ(changes_since(json::dump(to_json(old)), before), "");
}

TEST(Explain, SaysWhichFileAndVariable) {
    const Directory directory;
    directory.write("compose.yaml", "services:\n  web:\n    image: x:${TAG}\n");
    directory.write(".env", "TAG=3\n");
    const Project project = directory.load();
    EXPECT_EQ(explain(project, "services.web.image"),
              "services.web.image: x:3  compose.yaml:3:12, TAG=3 (.env)\n");
    EXPECT_EQ(explain(project, "web.image"),
              "services.web.image: x:3  compose.yaml:3:12, TAG=3 (.env)\n");
    EXPECT_NE(error_of([&] { explain(project, "web.imag"); }).find("did you mean image?"),
              std::string::npos);
}

TEST(Project, VersionIsIgnoredWithAWarningAndExtensionsAreKept) {
    const Project project = load_text(
        "version: '3'\nx-mine: {a: 1}\nservices: {a: {image: \"x:${HULL_UNSET_TAG}\", x-own: "
        "2}}\n");
    ASSERT_EQ(project.warnings.size(), 2U);
    EXPECT_NE(project.warnings[0].find("the attribute `version` is obsolete"), std::string::npos);
    EXPECT_EQ(project.warnings[1],
              "The \"HULL_UNSET_TAG\" variable is not set. Defaulting to a blank string.");
    EXPECT_EQ(project.root["x-mine"]["a"].integer, 1);
    EXPECT_EQ(project.get_service("a")["x-own"].integer, 2);
    EXPECT_EQ(project.root.find("version"), nullptr);
}

TEST(Project, ConfigPrintsTheLongForm) {
    Project project = load_text(R"(
services:
  web:
    build: https://example.com/repo.git
    ports: ["80"]
    volumes: ["v:/v"]
    depends_on: [db]
    command: a $$b
    profiles: []
  db: {image: "1.0", env_file: [{path: /no/such.env, required: false}], mem_limit: 1g}
volumes: {v: , unused: }
networks: {default: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}
)");
    prepare_for_output(project.root, true, true);
    EXPECT_EQ(write_yaml(project.root), R"(name: demo
services:
  db:
    command: null
    entrypoint: null
    environment: {}
    image: "1.0"
    mem_limit: "1073741824"
    networks:
      default: null
  web:
    profiles: []
    build:
      context: https://example.com/repo.git
      dockerfile: Dockerfile
    command:
      - a
      - $$b
    depends_on:
      db:
        condition: service_started
        required: true
    entrypoint: null
    networks:
      default: null
    ports:
      - mode: ingress
        target: 80
        protocol: tcp
    volumes:
      - type: volume
        source: v
        target: /v
        volume: {}
networks:
  default:
    name: demo_default
    ipam:
      config:
        - subnet: 10.0.0.0/24
volumes:
  v:
    name: demo_v
)");
}

TEST(Dependencies, OrderAndImpliedOnes) {
    const Project project = load_text(
        "services:\n  a: {image: x, links: [b]}\n  b: {image: x, network_mode: \"service:c\"}\n  "
        "c: {image: x, volumes_from: [d]}\n  d: {image: x}\n");
    EXPECT_EQ(dependency_order(project), (std::vector<std::string>{"d", "c", "b", "a"}));
}

}  // namespace
}  // namespace hull::compose

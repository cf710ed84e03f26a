#include "base/error.hh"
#include "base/json.hh"
#include "base/text.hh"
#include "build/dockerfile/check.hh"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace hull::build::dockerfile {
namespace {

/// One case of a file in testdata/: "=== NAME", the Dockerfile, "---", what is said about it.
struct Case {
    std::string name, dockerfile, expected;
};

/// Characters that an editor would hide or change are written as pictures of themselves.
std::string without_pictures(std::string text) {
    const std::pair<std::string_view, std::string> pictures[] = {{"␍", "\r"},
                                                                 {"␉", "\t"},
                                                                 {"␀", std::string(1, '\0')},
                                                                 {"␣", " "},
                                                                 {"⟨BOM⟩", "\xEF\xBB\xBF"},
                                                                 {"⟨FF⟩", "\xFF"}};
    for (const auto& [picture, character] : pictures)
        for (std::size_t at = text.find(picture); at != std::string::npos;
             at = text.find(picture, at))
            text.replace(at, picture.size(), character);
    return text;
}

std::vector<Case> read_cases(const std::string& path) {
    std::ifstream file(path);
    std::vector<Case> cases;
    std::string line;
    bool in_dockerfile = false;
    while (std::getline(file, line)) {
        if (line.starts_with("=== ")) {
            cases.push_back({line.substr(4), "", ""});
            in_dockerfile = true;
        } else if (line == "---") {
            in_dockerfile = false;
        } else if (!cases.empty()) {
            (in_dockerfile ? cases.back().dockerfile : cases.back().expected) += line + "\n";
        }
    }
    return cases;
}

void write_cases(const std::string& path, const std::vector<Case>& cases) {
    std::ofstream file(path);
    for (const Case& one : cases)
        file << "=== " << one.name << "\n" << one.dockerfile << "---\n" << one.expected;
}

/// Everything said about a Dockerfile: why it cannot be read, or what the checks find.
std::string opinion(const std::string& text) {
    const Source source{"Dockerfile", text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text};
    try {
        CheckOptions options;
        const IgnorePatterns ignore({"ignored", "*.log"});
        options.ignore = &ignore;
        options.base_environment =
            [](std::string_view image) -> std::optional<std::vector<std::string>> {
            if (image == "alpine") return std::vector<std::string>{"PATH"};
            return std::nullopt;
        };
        const CheckResult result = check(parse_dockerfile(text), options);
        std::string all;
        for (const Diagnostic& finding : result.findings) all += render(finding, source) + "\n";
        return all + (result.error ? "fails\n" : "");
    } catch (const DockerfileError& error) {
        EXPECT_TRUE(error.message().starts_with("dockerfile parse error on line "));
        return render(error.diagnostic(), source) + "\n";
    }
}

/// HULL_ACCEPT=1 in the environment rewrites what is expected, for review.
void compare(const std::string& name, std::size_t least) {
    const std::string path = HULL_TESTDATA "/" + name;
    std::vector<Case> cases = read_cases(path);
    EXPECT_GE(cases.size(), least);
    const bool accept = std::getenv("HULL_ACCEPT") != nullptr;
    for (Case& one : cases) {
        SCOPED_TRACE(one.name);
        // The last line end is the format's, so that a file may end without one.
        std::string text = one.dockerfile;
        if (!text.empty()) text.pop_back();
        const std::string said = opinion(without_pictures(text));
        if (accept)
            one.expected = said;
        else
            EXPECT_EQ(said, one.expected);
    }
    if (accept) write_cases(path, cases);
}

TEST(Testdata, BrokenDockerfilesAreExplained) { compare("broken.txt", 80); }

TEST(Testdata, BuildChecksFindWhatDockersRulesSay) { compare("checks.txt", 40); }

}  // namespace
}  // namespace hull::build::dockerfile

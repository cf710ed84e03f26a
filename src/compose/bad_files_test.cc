#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/text.hh"
#include "compose/project.hh"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace hull::compose {
namespace {

/// One broken Compose file of testdata/bad_files.txt and what is said about it.
struct Case {
    std::string name, file, message;
};

std::vector<Case> read_cases(const std::string& path) {
    std::vector<Case> cases;
    bool in_message = false;
    for (const std::string& line : split(read_file(path), '\n')) {
        if (line.starts_with("=== ")) {
            cases.push_back({line.substr(4), "", ""});
            in_message = false;
        } else if (line == "--- " || line == "---- ") {
            in_message = true;
        } else if (in_message) {
            if (!line.empty())
                cases.back().message += (cases.back().message.empty() ? "" : "\n") + line;
        } else if (!cases.empty()) {
            cases.back().file += line + "\n";
        }
    }
    return cases;
}

std::string message_for(const std::string& text, const std::string& directory) {
    write_file(join(directory, "compose.yaml"), text);
    LoadOptions options;
    options.working_directory = directory;
    options.project_name = "bad";
    try {
        load_project(options);
    } catch (const Error& error) {
        std::string message = error.message();
        for (std::size_t at; (at = message.find(directory)) != std::string::npos;)
            message.replace(at, directory.size(), "DIR");
        return message;
    }
    return "no error";
}

// HULL_ACCEPT=1 rewrites the messages.
TEST(BadFiles, EachIsRefusedWithItsPlaceAndWhatToDo) {
    const std::string path = HULL_COMPOSE_TESTDATA "/bad_files.txt";
    char directory[] = "/tmp/hull-bad-XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    std::string accepted;
    const std::vector<Case> cases = read_cases(path);
    EXPECT_GE(cases.size(), 80U);
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        const std::string message = message_for(one.file, directory);
        accepted += "=== " + one.name + "\n" + one.file + "--- \n" + message + "\n\n";
        if (!std::getenv("HULL_ACCEPT")) {
            EXPECT_EQ(message, one.message);
            EXPECT_NE(message, "no error");
        }
    }
    if (std::getenv("HULL_ACCEPT")) write_file(path, accepted);
    Process::spawn(
        {.arguments = {"/bin/rm", "-rf", directory}, .environment = {}, .descriptors = {}})
        .wait();
}

}  // namespace
}  // namespace hull::compose

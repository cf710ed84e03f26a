#include "base/error.hh"
#include "compose/hash.hh"
#include "compose/interpolate.hh"
#include "compose/merge.hh"
#include "compose/yaml_reader.hh"
#include "compose/yaml_writer.hh"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

// Documents of one input are read, interpolated, conformed and merged; what is written reads back
// as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    using namespace hull::compose;
    const Environment environment{{"A", {"1", "fuzz"}}, {"B", {"", "fuzz"}}};
    try {
        Node whole = Node::mapping();
        for (Node& document : read_yaml({reinterpret_cast<const char*>(data), size}, "fuzz.yaml")) {
            Interpolation seen;
            interpolate(document, environment, seen);
            Conformer conformer;
            conformer.directory = "/project";
            conformer.conform(document, file_schema(), "");
            if (conformer.problems.empty()) merge(whole, std::move(document), file_schema());
        }
        drop_resets(whole);
        prepare_for_output(whole, true, false);
        const std::vector<Node> again = read_yaml(write_yaml(whole), "again.yaml");
        if (again.size() == 1 && !same_value(again[0], whole) &&
            differences(again[0], whole).empty())
            std::abort();
    } catch (const Error&) {
    }
    return 0;
}

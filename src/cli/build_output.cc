#include "cli/build_output.hh"

#include "archive/byte_source.hh"
#include "base/sys.hh"
#include "cli/output_file.hh"
#include "cli/session.hh"
#include "cli/unpack.hh"
#include "cli/words.hh"

#include <unistd.h>

#include <cstddef>
#include <span>
#include <vector>

namespace hull::cli {
namespace {

/// Body of a reply as a source of bytes.
class ReplySource final : public archive::ByteSource {
public:
    explicit ReplySource(http::ClientResponse& response)
        : response_(response), buffer_(256UL << 10) {}
    std::span<const std::byte> next() override {
        return std::span(buffer_).first(response_.read(buffer_));
    }

private:
    http::ClientResponse& response_;
    std::vector<std::byte> buffer_;
};

BuildOutput::Type parse_type(std::string_view text) {
    if (text == "image") return BuildOutput::Type::image;
    if (text == "local") return BuildOutput::Type::local;
    if (text == "tar") return BuildOutput::Type::tar;
    if (text == "docker") return BuildOutput::Type::docker;
    if (text == "oci") return BuildOutput::Type::oci;
    fail("output type {} is not supported: use image, local, tar, docker or oci", text);
}

}  // namespace

BuildOutput parse_build_output(std::string_view text) {
    BuildOutput output;
    if (text == "-") {
        output.type = BuildOutput::Type::tar;
        return output;
    }
    if (text.find('=') == std::string_view::npos) {
        output.type = BuildOutput::Type::local;
        output.destination = text;
        return output;
    }
    bool has_type = false;
    for (const std::string& field : split_csv(text)) {
        const auto [key, value] = cut(field, '=');
        if (!value) fail("invalid value {}: it must be key=value", field);
        if (key == "type") {
            output.type = parse_type(*value);
            has_type = true;
        } else if (key == "dest") {
            output.destination = *value == "-" ? "" : std::string(*value);
        } else {
            fail("unknown key {} of an output: use type and dest", key);
        }
    }
    if (!has_type) fail("type is required for output");
    if (output.type == BuildOutput::Type::local && output.destination.empty())
        fail("dest is required for local exporter");
    return output;
}

void check_build_output(std::string_view text) { parse_build_output(text); }

void write_build_output(Session& session, const BuildOutput& output, const std::string& name) {
    if (output.type == BuildOutput::Type::image) return;
    const auto request_root = [&] {
        return session.ask([&](client::Client& daemon) {
            return daemon.request("GET", "/images/" + http::encode_percent(name) + "/rootfs");
        });
    };
    switch (output.type) {
        case BuildOutput::Type::local: {
            sys::mkdir_all(output.destination, 0755);
            http::ClientResponse response = request_root();
            ReplySource source(response);
            UnpackPlan plan;
            plan.parent = output.destination;
            plan.keep_owner = ::geteuid() == 0;
            plan.warn = [&](std::string_view text) { session.complain(text); };
            unpack(source, plan);
            return;
        }
        case BuildOutput::Type::tar:
            write_archive(output.destination, "write the result", request_root);
            return;
        default:
            write_archive(output.destination, "write the result", [&] {
                return session.ask(
                    [&](client::Client& daemon) { return daemon.save_images({name}); });
            });
    }
}

}  // namespace hull::cli

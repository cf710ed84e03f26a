#include "cli/build_output.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "cli/build_extras.hh"
#include "cli/build_layout.hh"
#include "cli/compose_call.hh"
#include "cli/output_file.hh"
#include "cli/reply_source.hh"
#include "cli/session.hh"
#include "cli/unpack.hh"
#include "cli/words.hh"
#include "oci/reference.hh"

#include <unistd.h>

#include <cstddef>
#include <span>
#include <vector>

namespace hull::cli {
namespace {

BuildOutput::Type parse_type(std::string_view text) {
    if (text == "image") return BuildOutput::Type::image;
    if (text == "local") return BuildOutput::Type::local;
    if (text == "tar") return BuildOutput::Type::tar;
    if (text == "docker") return BuildOutput::Type::docker;
    if (text == "oci") return BuildOutput::Type::oci;
    if (text == "registry") return BuildOutput::Type::registry;
    if (text == "cacheonly") return BuildOutput::Type::cacheonly;
    fail(
        "output type {} is not supported: use image, registry, local, tar, docker, oci or "
        "cacheonly",
        text);
}

bool parse_switch(std::string_view key, std::string_view value) {
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    fail("invalid value {} of {}: use true or false", value, key);
}

/// "annotation.KEY", "annotation-index.KEY" or "annotation-manifest[PLATFORM].KEY" as --annotation
/// has it.
std::string annotation_line(std::string_view field, std::string_view value) {
    const std::string_view rest = field.substr(std::string_view("annotation").size());
    const std::size_t bracket = rest.find(']');
    const std::size_t dot = rest.find('.', bracket == std::string_view::npos ? 0 : bracket);
    if (dot == std::string_view::npos || dot + 1 == rest.size())
        fail("invalid annotation {} of an output: use annotation.KEY=VALUE", field);
    std::string place(rest.substr(0, dot));
    if (place.starts_with('-'))
        place.erase(0, 1);
    else
        place.insert(0, "manifest");
    return fmt::format("{}:{}={}", place, rest.substr(dot + 1), value);
}

void tag_image(Session& session, const std::string& image, const std::string& name) {
    const oci::Reference reference = oci::Reference::parse(name).with_default_tag();
    session.ask([&](client::Client& daemon) {
        daemon.tag_image(image, reference.familiar_name(), reference.tag());
    });
}

/// Names it and pushes every name.
void push_names(Session& session, const std::string& image, const std::vector<std::string>& names) {
    if (names.empty()) fail("tag is needed when pushing to registry");
    for (const std::string& name : names) {
        tag_image(session, image, name);
        if (const int code = call_command(session, "push", {name}); code != 0)
            throw Error(ErrorKind::unavailable, "pushing {} failed", name);
    }
}

}  // namespace

void push_and_forget(Session& session, const std::string& image, const std::string& name) {
    push_names(session, image, {name});
    session.ask([&](client::Client& daemon) { daemon.remove_image(name, false, false); });
}

bool writes_to_stdout(const BuildOutput& output) {
    const bool is_file = output.type == BuildOutput::Type::tar ||
                         output.type == BuildOutput::Type::docker ||
                         output.type == BuildOutput::Type::oci;
    return is_file && output.destination.empty();
}

bool keeps_image(const BuildOutput& output) {
    return output.type == BuildOutput::Type::image || output.type == BuildOutput::Type::registry;
}

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
            output.has_destination = true;
        } else if (key == "name") {
            output.names = split_csv(*value);
        } else if (key == "tar") {
            output.is_tar = parse_switch(key, *value);
        } else if (key == "push") {
            output.push = parse_switch(key, *value);
        } else if (key == "mode" && (*value == "copy" || *value == "delete")) {
            output.replaces = *value == "delete";
        } else if (key.starts_with("annotation")) {
            output.annotations.push_back(annotation_line(key, *value));
        } else if (key == "rewrite-timestamp" && parse_switch(key, *value)) {
            // Files are dated so, always.
        } else if (key == "platform-split") {
            output.splits = parse_switch(key, *value);
        } else if (key == "unpack" || key == "store" || key == "oci-mediatypes") {
            // Layers are unpacked and images stored as OCI ones, always.
            if (!parse_switch(key, *value)) fail("{}=false is not supported", key);
        } else if (key == "compression" && *value == "uncompressed") {
            // As layers are stored; a push compresses them.
        } else {
            fail("{}={} of an output is not supported: use type, dest, name, tar, push and mode",
                 key, *value);
        }
    }
    if (!has_type) fail("type is required for output");
    if (output.type == BuildOutput::Type::local && output.destination.empty())
        fail("dest is required for local exporter");
    return output;
}

void check_build_output(std::string_view text) { parse_build_output(text); }

void write_build_output(Session& session, const BuildOutput& output, const BuildAnswer& answer,
                        const std::vector<std::string>& tags) {
    if (output.type == BuildOutput::Type::cacheonly) return;
    if (output.type == BuildOutput::Type::registry || output.push)
        return push_names(session, tags.front(), tags);
    if (output.type == BuildOutput::Type::image) return;
    const std::string name = tags.empty() ? answer.image_id : tags.front();
    const auto request_root = [&] {
        http::Query query;
        for (const BuildPart& part : answer.parts) {
            query.emplace_back("platform", part.platform);
            query.emplace_back("part", part.image_id);
        }
        if (output.splits.value_or(answer.parts.size() > 1)) query.emplace_back("split", "1");
        return session.ask([&](client::Client& daemon) {
            return daemon.request("GET", "/images/" + http::encode_percent(name) + "/rootfs",
                                  query);
        });
    };
    switch (output.type) {
        case BuildOutput::Type::local: {
            if (output.replaces) sys::remove_tree(output.destination);
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
            if (!output.is_tar) {
                if (output.destination.empty()) fail("dest is required for tar=false");
                return save_layout(session, name, output.destination);
            }
            write_archive(output.destination, "write the result", [&] {
                return session.ask(
                    [&](client::Client& daemon) { return daemon.save_images({name}); });
            });
    }
}

}  // namespace hull::cli

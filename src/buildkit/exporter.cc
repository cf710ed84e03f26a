#include "buildkit/exporter.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/text.hh"
#include "buildkit/tree_sender.hh"
#include "http/headers.hh"
#include "oci/reference.hh"

namespace hull::buildkit {

namespace {

constexpr const char* file_send = "/moby.filesync.v1.FileSend/DiffCopy";

/// The image's files as a tar.
http::ClientResponse open_files(EngineApi& api, const std::string& image_id) {
    return api.open("GET", "/images/" + http::encode_percent(image_id) + "/rootfs");
}

/// The body of a reply, piece by piece.
class ReplySource final : public archive::ByteSource {
public:
    explicit ReplySource(http::ClientResponse& reply) : reply_(reply), buffer_(64UL << 10) {}
    std::span<const std::byte> next() override {
        return std::span(buffer_).first(reply_.read(buffer_));
    }

private:
    http::ClientResponse& reply_;
    std::vector<std::byte> buffer_;
};

void send_tar(Call& call, http::ClientResponse& files) {
    std::vector<std::byte> buffer(32UL << 10);
    while (const std::size_t count = files.read(buffer))
        call.write(
            MessageWriter().text(1, {reinterpret_cast<const char*>(buffer.data()), count}).bytes());
    call.finish();
    std::string rest;
    while (call.read(rest)) continue;  // the client has written it all
}

}  // namespace

void export_image(Progress& progress, const std::string& image_id, const Target& exporter,
                  Attributes& response) {
    constexpr const char* vertex = "export image";
    progress.start(vertex, "exporting to image");
    const auto done = [&](const std::string& text) { progress.detail(vertex, text, 0, true); };
    done("exporting layers");
    done("writing image " + image_id);
    std::string names;
    for (const std::string& name : split_nonempty(exporter.get("name"), ',')) {
        const std::string whole = oci::Reference::parse(name).with_default_tag().canonical();
        done("naming to " + whole);
        names += (names.empty() ? "" : ",") + whole;
    }
    progress.complete(vertex);
    response["containerimage.config.digest"] = image_id;
    response["containerimage.digest"] = image_id;
    if (!names.empty()) response["image.name"] = names;
}

void export_files(Host& host, Progress& progress, const std::string& session_id,
                  const std::string& image_id, const Target& exporter, int number) {
    const ClientSessionPointer session = host.sessions.get(session_id);
    if (!session->offers(file_send))
        throw Error(ErrorKind::unsupported, "the client takes no files");
    EngineApi api = host.daemon.api();
    http::ClientResponse files = open_files(api, image_id);
    constexpr const char* vertex = "export files";
    progress.start(vertex, "exporting to client");
    const auto call = session->connection->start(
        file_send, {{"buildkit-attachable-exporter-id", std::to_string(number)}});
    if (exporter.type == "tar") {
        send_tar(*call, files);
    } else {
        ReplySource source(files);
        const TreeSender tree(source);
        std::uint64_t sent = 0;
        tree.send(*call, [&](std::uint64_t bytes) {
            sent = bytes;
            progress.detail(vertex, "copying files", static_cast<std::int64_t>(bytes), false);
        });
        progress.detail(vertex, "copying files", static_cast<std::int64_t>(sent), true);
    }
    progress.complete(vertex);
}

void forget_image(Host& host, const std::string& image_id) {
    try {
        EngineApi api = host.daemon.api();
        api.ask("DELETE", "/images/" + http::encode_percent(image_id));
    } catch (const Error& error) {
        log::debug("removing {}: {}", image_id, error.message());
    }
}

}  // namespace hull::buildkit

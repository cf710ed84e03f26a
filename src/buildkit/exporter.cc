#include "buildkit/exporter.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/text.hh"
#include "http/headers.hh"
#include "oci/reference.hh"

namespace hull::buildkit {

namespace {

constexpr const char* file_send = "/moby.filesync.v1.FileSend/DiffCopy";

/// The image's files as a tar.
http::ClientResponse open_files(EngineApi& api, const std::string& image_id) {
    return api.open("GET", "/images/" + http::encode_percent(image_id) + "/rootfs");
}

void send_tar(Call& call, http::ClientResponse& files) {
    std::vector<std::byte> buffer(32UL << 10);
    while (const std::size_t count = files.read(buffer))
        call.write(MessageWriter()
                       .text(1, {reinterpret_cast<const char*>(buffer.data()), count})
                       .bytes());
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
    if (exporter.type != "tar") throw Error(ErrorKind::unsupported, "later");
    send_tar(*call, files);
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

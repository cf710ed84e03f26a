#include "image/download.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "image/transfer_run.hh"

namespace hull::image {

namespace {

std::string text_of(const json::Value& value) {
    return value.is_string() ? value.as_string() : std::string();
}

/// "example.org:8080" of "https://example.org:8080/x".
std::string authority_of(const std::string& url) {
    const std::size_t scheme = url.find("://");
    const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
    return url.substr(begin, url.find_first_of("/?#", begin) - begin);
}

}  // namespace

json::Object describe_registries(const RegistrySettings& settings, const std::string& user_agent,
                                 unsigned concurrency) {
    json::Object mirrors;
    for (const auto& [registry, urls] : settings.mirrors) mirrors[registry] = urls;
    std::string agent = "hull/" HULL_VERSION;
    if (!user_agent.empty()) agent += " UpstreamClient(" + user_agent + ")";
    std::erase_if(agent, [](char c) { return static_cast<unsigned char>(c) < ' '; });
    return json::Object{{"insecure", settings.insecure},
                        {"mirrors", std::move(mirrors)},
                        {"certificates", settings.certificate_directories},
                        {"userAgent", std::move(agent)},
                        {"attempts", settings.attempts},
                        {"concurrency", concurrency},
                        {"silenceMs", settings.silence_ms},
                        {"maxLayerBytes", settings.max_layer_bytes},
                        {"httpProxy", settings.http_proxy},
                        {"httpsProxy", settings.https_proxy},
                        {"noProxy", settings.no_proxy}};
}

json::Value Downloads::run(const std::string& verb, const json::Value& request,
                           const store::StagingDirectory& staging, StopEvent& stop) {
    TransferCommand command;
    command.program = options_.transfer_program;
    command.verb = verb;
    command.uid = options_.transfer_uid;
    command.staging = staging.path();
    return ask_transfer(std::move(command), request, &stop);
}

std::optional<Download> Downloads::fetch(const DownloadRequest& request, StopEvent& stop) {
    Download download{store_.make_staging(options_.transfer_uid), "", 0, "", "", "", "", ""};
    const json::Value result =
        run("download",
            json::Object{{"registries", describe_registries(options_.registries, "", 1)},
                         {"repository", authority_of(request.url) + "/x"},
                         {"url", request.url},
                         {"headers", request.headers},
                         {"etag", request.etag},
                         {"lastModified", request.last_modified},
                         {"maxBytes", request.max_bytes}},
            download.staging, stop);
    if (result["unchanged"].is_bool()) return std::nullopt;
    download.file = text_of(result["file"]);
    if (download.file.empty() || download.file.find('/') != std::string::npos)
        throw Error(ErrorKind::data_loss, "hull-transfer brought no file");
    download.size = result["size"].as_uint();
    download.sha256 = text_of(result["sha256"]);
    download.etag = text_of(result["etag"]);
    download.last_modified = text_of(result["lastModified"]);
    download.filename = text_of(result["filename"]);
    download.content_type = text_of(result["contentType"]);
    return download;
}

std::string Downloads::find_commit(const GitRequest& request, StopEvent& stop) {
    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    json::Object question{{"ask", "commit"}, {"url", request.url}, {"ref", request.ref}};
    if (!request.header.empty()) question["header"] = request.header;
    return run("git", question, staging, stop)["commit"].as_string();
}

Checkout Downloads::check_out(const GitRequest& request, const std::string& commit,
                              StopEvent& stop) {
    Checkout checkout{store_.make_staging(options_.transfer_uid), ""};
    json::Object question{{"ask", "checkout"},
                          {"url", request.url},
                          {"ref", request.ref},
                          {"commit", commit},
                          {"submodules", request.submodules},
                          {"keepGitDir", request.keep_git_dir}};
    if (!request.header.empty()) question["header"] = request.header;
    run("git", question, checkout.staging, stop);
    checkout.tree = join(checkout.staging.path(), "tree");
    return checkout;
}

}  // namespace hull::image

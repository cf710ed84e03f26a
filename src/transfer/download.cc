#include "transfer/download.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "registry/client/http_client.hh"
#include "registry/client/registry.hh"

#include <vector>

namespace hull::transfer {

namespace {

/// Of a Content-Disposition; "" when it names none that can be one.
std::string find_filename(std::string_view header) {
    const std::size_t at = header.find("filename=");
    if (at == std::string_view::npos) return "";
    std::string_view value = header.substr(at + 9);
    if (value.starts_with('"')) {
        value.remove_prefix(1);
        value = value.substr(0, value.find('"'));
    } else {
        value = value.substr(0, value.find(';'));
    }
    std::string name(value.substr(value.rfind('/') + 1));
    if (name == "." || name == ".." || name.find('\0') != std::string::npos) return "";
    return name;
}

std::string text_of(const json::Value& value) {
    return value.is_string() ? value.as_string() : std::string();
}

ErrorKind kind_of(int status) {
    if (status == 404) return ErrorKind::not_found;
    if (status == 401 || status == 403) return ErrorKind::forbidden;
    return status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid_argument;
}

class Fetcher {
public:
    Fetcher(const json::Value& request, const registry_client::Configuration& configuration,
            Staging& staging)
        : request_(request),
          configuration_(configuration),
          staging_(staging),
          client_(configuration.network) {}

    json::Value run() {
        json::Value result;
        registry_client::with_retries(configuration_.attempts, [&] { result = attempt(); });
        return result;
    }

private:
    json::Value attempt() {
        registry_client::Request request;
        request.url = registry_client::parse_url(request_["url"].as_string());
        request.headers.add("User-Agent", configuration_.user_agent);
        for (const auto& [name, value] : request_["headers"].as_string_map())
            request.headers.add(name, value);
        if (const std::string etag = text_of(request_["etag"]); !etag.empty())
            request.headers.add("If-None-Match", etag);
        else if (const std::string time = text_of(request_["lastModified"]); !time.empty())
            request.headers.add("If-Modified-Since", time);
        const registry_client::TlsMaterial material =
            configuration_.material_for(request.url.authority());
        registry_client::Response response = client_.follow(request, material);
        if (response.status == 304) return json::Object{{"unchanged", true}};
        if (response.status / 100 != 2)
            throw Error(kind_of(response.status), "{}: invalid response status {}",
                        request_["url"].as_string(), response.status);
        return take(response);
    }

    json::Value take(registry_client::Response& response) {
        const std::uint64_t most_bytes = request_["maxBytes"].as_uint();
        const auto refuse = [&] {
            throw Error(ErrorKind::invalid_argument, "{} is larger than {} MB",
                        request_["url"].as_string(), most_bytes >> 20);
        };
        if (response.content_length().value_or(0) > most_bytes) refuse();
        Staging::File file = staging_.make("download-");
        Sha256 hash;
        std::uint64_t size = 0;
        std::vector<std::byte> buffer(256UL << 10);
        while (const std::size_t count = response.read(buffer)) {
            const auto bytes = std::span(buffer).first(count);
            size += count;
            if (size > most_bytes) refuse();
            hash.update(bytes);
            sys::write_all(file.fd.get(),
                           {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        }
        const auto header = [&](const char* name) {
            return std::string(response.headers.get(name));
        };
        return json::Object{{"file", file.name},
                            {"size", size},
                            {"sha256", hash.hex()},
                            {"etag", header("ETag")},
                            {"lastModified", header("Last-Modified")},
                            {"filename", find_filename(header("Content-Disposition"))},
                            {"contentType", header("Content-Type")}};
    }

    const json::Value& request_;
    const registry_client::Configuration& configuration_;
    Staging& staging_;
    registry_client::HttpClient client_;
};

}  // namespace

void download(const json::Value& request, const registry_client::Configuration& configuration,
              Staging& staging, Messages& messages) {
    messages.report(json::Object{{"result", Fetcher(request, configuration, staging).run()}});
}

}  // namespace hull::transfer

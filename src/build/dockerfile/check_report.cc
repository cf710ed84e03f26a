#include "build/dockerfile/check_report.hh"

#include "build/dockerfile/check_rules.hh"
#include "build/dockerfile/parser.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

bool is_warning(const Diagnostic& finding) { return finding.severity == Severity::warning; }

std::size_t count_warnings(const CheckResult& result) {
    return static_cast<std::size_t>(
        std::count_if(result.findings.begin(), result.findings.end(), is_warning));
}

std::string detail(const Diagnostic& finding) {
    return finding.hint.empty() ? finding.message : finding.message + " (" + finding.hint + ")";
}

json::Object location_json(const Location& place) {
    json::Object start{{"line", place.line}, {"character", place.column}};
    json::Object end{{"line", std::max(place.line, place.last_line)}};
    return json::Object{{"sourceIndex", 0},
                        {"ranges", json::Array{json::Object{{"start", std::move(start)},
                                                            {"end", std::move(end)}}}}};
}

}  // namespace

std::string check_text(const CheckResult& result, const Source& source) {
    const std::size_t warnings = count_warnings(result);
    if (result.findings.empty()) return "Check complete, no warnings found.\n";
    std::string text;
    if (warnings > 0)
        text = fmt::format("Check complete, {} {} been found!\n", warnings,
                           warnings == 1 ? "warning has" : "warnings have");
    for (const Diagnostic& finding : result.findings) {
        if (!text.empty()) text += "\n";
        if (is_warning(finding))
            text += fmt::format("WARNING: {} - {}\n", finding.rule,
                                rule_url(get_check_rule(finding.rule)));
        text += render(finding, source) + "\n";
    }
    return text;
}

json::Value check_json(const CheckResult& result, const Source& source) {
    json::Array warnings;
    json::Object report;
    for (const Diagnostic& finding : result.findings) {
        const Location place = locate_text(finding.location, source, finding.at);
        if (is_warning(finding)) {
            const CheckRule& rule = get_check_rule(finding.rule);
            warnings.push_back(json::Object{{"ruleName", rule.name},
                                            {"description", rule.description},
                                            {"url", rule_url(rule)},
                                            {"detail", detail(finding)},
                                            {"location", location_json(place)}});
        } else if (!report.find("buildError")) {
            report["buildError"] =
                json::Object{{"message", detail(finding)}, {"location", location_json(place)}};
        }
    }
    report["warnings"] = std::move(warnings);
    report["sources"] = json::Array{json::Object{{"filename", source.name}}};
    return report;
}

std::string check_summary(const CheckResult& result) {
    const std::size_t warnings = count_warnings(result);
    if (warnings == 0) return "";
    std::string text = fmt::format("\n {} warning{} found (use --check to expand):\n", warnings,
                                   warnings == 1 ? "" : "s");
    for (const Diagnostic& finding : result.findings)
        if (is_warning(finding))
            text += fmt::format(" - {}: {} (line {})\n", finding.rule, detail(finding),
                                finding.location.line);
    return text;
}

}  // namespace hull::build::dockerfile

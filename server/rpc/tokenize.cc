#include "server/rpc/tokenize.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"

namespace strata {

absl::StatusOr<Computation<v1::TokenizeResponse>> PrepareTokenize(
    const v1::TokenizeRequest& request, const ModelRegistry& registry) {
  STRATA_ASSIGN_OR_RETURN(auto version, ResolveGenerator(registry, request.model()));
  const auto bytes = static_cast<int64_t>(request.text().size());
  if (bytes > kMaxTokenizeBytes) {
    return TextTooLong("text", absl::StrCat("text is ", bytes, " bytes; at most ",
                                            kMaxTokenizeBytes, " are allowed"));
  }
  return Computation<v1::TokenizeResponse>{
      bytes,
      [version = std::move(version), text = request.text()](
          const std::function<absl::Status()>& poll, v1::TokenizeResponse* response) {
        STRATA_RETURN_IF_ERROR(poll());
        response->set_model(version->name());
        for (const Item item : version->tokenizer->Encode(text)) {
          response->add_tokens(item);
          response->add_token_bytes(
              static_cast<int32_t>(version->tokenizer->BytesOf(item).size()));
        }
        return absl::OkStatus();
      }};
}

}  // namespace strata

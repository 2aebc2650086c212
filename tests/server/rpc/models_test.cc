// Models over a real connection.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class ModelsTest : public RpcFixture {
 protected:
  grpc::Status SetAlias(const std::string& name, const std::string& alias,
                        const std::string& version, v1::Model* model) {
    grpc::ClientContext context;
    v1::SetAliasRequest request;
    request.set_name(name);
    request.set_alias(alias);
    request.set_version(version);
    return models_->SetAlias(&context, request, model);
  }
};

TEST_F(ModelsTest, ListGoesPageByPage) {
  Start();
  std::vector<std::string> names;
  std::string token;
  do {
    grpc::ClientContext context;
    v1::ListModelsRequest request;
    request.set_page_size(1);
    request.set_page_token(token);
    v1::ListModelsResponse response;
    ASSERT_TRUE(models_->ListModels(&context, request, &response).ok());
    ASSERT_EQ(response.models_size(), 1);
    names.push_back(response.models(0).name());
    token = response.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(names, (std::vector<std::string>{"chatty", "toy"}));
}

TEST_F(ModelsTest, NegativePageSizeIsRefused) {
  Start();
  grpc::ClientContext context;
  v1::ListModelsRequest request;
  request.set_page_size(-1);
  v1::ListModelsResponse response;
  EXPECT_EQ(Field(models_->ListModels(&context, request, &response)), "page_size");
}

TEST_F(ModelsTest, GetDescribesTheVersion) {
  Start();
  grpc::ClientContext context;
  v1::GetModelRequest request;
  request.set_name("chatty");
  v1::Model model;
  ASSERT_TRUE(models_->GetModel(&context, request, &model).ok());
  ASSERT_EQ(model.versions_size(), 1);
  EXPECT_EQ(model.versions(0).state(), v1::READY);
  EXPECT_EQ(model.versions(0).template_(), "chat");
  EXPECT_EQ(model.versions(0).executor(), "toy");
  EXPECT_EQ(model.versions(0).max_context(), 4096);
  EXPECT_EQ(model.versions(0).tokenizer(), "bytes");
  EXPECT_EQ(model.versions(0).vocabulary(), 260);
  EXPECT_GT(model.versions(0).parameters(), 0);
  EXPECT_EQ(model.versions(0).max_state_bytes(), 4096 * 16);
  EXPECT_EQ(model.aliases().at("live"), "1");
}

TEST_F(ModelsTest, GetOfAVersionOrAliasWantsItToBeThere) {
  Start();
  const auto get = [&](const std::string& name) {
    grpc::ClientContext context;
    v1::GetModelRequest request;
    request.set_name(name);
    v1::Model model;
    return models_->GetModel(&context, request, &model);
  };
  EXPECT_TRUE(get("chatty@1").ok());
  EXPECT_TRUE(get("chatty@live").ok());
  for (const char* missing : {"chatty@9", "chatty@other", "chatty@"}) {
    EXPECT_EQ(get(missing).error_code(), grpc::NOT_FOUND) << missing;
  }
}

TEST_F(ModelsTest, AliasMovesAndUnloadOfTheLiveVersionIsRefused) {
  AddVersion("toy", "1");
  AddVersion("toy", "2");
  Start();
  v1::Model model;
  const grpc::Status moved = SetAlias("toy", "", "2", &model);
  ASSERT_TRUE(moved.ok()) << moved.error_message();
  EXPECT_EQ(model.aliases().at("live"), "2");
  EXPECT_EQ(Generate(Request()).messages.front().accepted().model(), "toy@2");
  grpc::ClientContext context;
  v1::UnloadModelRequest request;
  request.set_name("toy@2");
  const grpc::Status unload = models_->UnloadModel(&context, request, &model);
  EXPECT_EQ(unload.error_code(), grpc::FAILED_PRECONDITION);
}

TEST_F(ModelsTest, BadNamesAreRefused) {
  Start();
  v1::Model model;
  EXPECT_EQ(Field(SetAlias("toy", "Bad Alias", "1", &model)), "alias");
  EXPECT_EQ(Field(SetAlias("toy", "ok", "", &model)), "version");
  EXPECT_EQ(SetAlias("toy", "ok", "7", &model).error_code(), grpc::NOT_FOUND);
  grpc::ClientContext context;
  v1::LoadModelRequest load;
  load.set_name("toy");
  EXPECT_EQ(Field(models_->LoadModel(&context, load, &model)), "name");
}

TEST_F(ModelsTest, AVersionThatDoesNotLoadLeavesTheAliasAlone) {
  AddVersion("toy", "1");
  AddVersion("toy", "2");
  on_load_ = [](const std::string& dir) {
    return dir.find("/toy/2") == std::string::npos
               ? absl::OkStatus()
               : absl::DataLossError("model.safetensors does not match its checksum");
  };
  Start();
  v1::Model model;
  EXPECT_EQ(SetAlias("toy", "live", "2", &model).error_code(), grpc::DATA_LOSS);
  EXPECT_EQ(Generate(Request()).messages.front().accepted().model(), "toy@1");
}

}  // namespace
}  // namespace strata

package kafkabus

import "github.com/IBM/sarama"

// admin gives sarama's administrator; closing it would close the client. Our client knows only the topics
// that it used, so it is told of the whole cluster, with its controller, first.
func (b *Bus) admin() (sarama.ClusterAdmin, error) {
	if err := b.client.RefreshMetadata(); err != nil {
		return nil, err
	}
	return sarama.NewClusterAdminFromClient(b.client)
}
